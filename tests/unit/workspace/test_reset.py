"""Whatever an agent did to a workspace, the next attempt starts from exactly its commit."""

import os
import shutil
from pathlib import Path

import pytest
from support.workspaces import FIRST, content, snapshot


def _commit_all(folder, git):
    (folder / "readme.txt").write_text("committed\n", encoding="utf-8")
    git(folder, "commit", "-qam", "by the agent")


def _stash(folder, git):
    (folder / "readme.txt").write_text("stashed\n", encoding="utf-8")
    git(folder, "stash")


def _configure(folder, git):
    git(folder, "config", "core.worktree", "/nowhere")
    git(folder, "config", "core.bare", "true")


def _delete_tags(folder, git):
    git(folder, "tag", "mine")
    git(folder, "tag", "-d", "mine")


def _install_hooks(folder, git):
    (folder / ".git/hooks").mkdir()
    for name in ("pre-commit", "post-checkout", "reference-transaction"):
        hook = folder / ".git/hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        hook.chmod(0o755)


def _delete_git(folder, git):
    shutil.rmtree(folder / ".git")


def _git_becomes_a_file(folder, git):
    shutil.rmtree(folder / ".git")
    (folder / ".git").write_text("gitdir: /nowhere\n", encoding="utf-8")


def _git_becomes_a_link(folder, git):
    (folder / ".git").rename(folder.parent / "moved")
    (folder / ".git").symlink_to(folder.parent / "moved")


def _stop_in_a_rebase(folder, git):
    (folder / "readme.txt").write_text("one\n", encoding="utf-8")
    git(folder, "commit", "-qam", "one")
    git(folder, "rebase", "--exec", "false", "HEAD~1", check=False)
    assert (folder / ".git/rebase-merge").is_dir()


def _stop_in_a_merge_conflict(folder, git):
    git(folder, "checkout", "-qb", "a")
    _commit_all(folder, git)
    git(folder, "checkout", "-qb", "b", "HEAD~1")
    (folder / "readme.txt").write_text("other\n", encoding="utf-8")
    git(folder, "commit", "-qam", "other")
    git(folder, "merge", "a", check=False)


def _leave_locks(folder, git):
    (folder / ".git/index.lock").touch()
    (folder / ".git/HEAD.lock").touch()


def _hide_changes(folder, git):
    git(folder, "update-index", "--assume-unchanged", "readme.txt")
    (folder / "readme.txt").write_text("hidden\n", encoding="utf-8")


def _sparse(folder, git):
    git(folder, "sparse-checkout", "set", "src")


def _same_size_and_time(folder, git):
    file = folder / "readme.txt"
    before = file.stat()
    file.write_text("HELLO\n", encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap_files_and_folders(folder, git):
    (folder / "readme.txt").unlink()
    (folder / "readme.txt").mkdir()
    (folder / "readme.txt/inside").write_text("x", encoding="utf-8")
    shutil.rmtree(folder / "src")
    (folder / "src").write_text("x", encoding="utf-8")


def _link_a_folder_away(folder, git):
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "code.py").write_text("precious\n", encoding="utf-8")
    shutil.rmtree(folder / "src")
    (folder / "src").symlink_to(outside)


def _ignore_everything(folder, git):
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    (folder / "junk.txt").write_text("x", encoding="utf-8")


def _leave_a_file(folder, git):
    (folder / "src/junk.txt").write_text("x", encoding="utf-8")


def _leave_empty_folders(folder, git):
    (folder / "empty").mkdir()
    (folder / "src/empty/deep").mkdir(parents=True)


def _leave_links(folder, git):
    (folder / "link").symlink_to("src")
    (folder / "src/nowhere").symlink_to("/nowhere")


def _embed_a_repository(folder, git):
    (folder / "sub").mkdir()
    git(folder / "sub", "init", "-q")
    (folder / "sub/file").write_text("x", encoding="utf-8")
    git(folder / "sub", "add", "-A")
    git(folder / "sub", "commit", "-qm", "x")


def _make_a_tracked_folder_a_repository(folder, git):
    git(folder / "src", "init", "-q")


def _delete_everything(folder, git):
    shutil.rmtree(folder)


def _replace_the_workspace_by_a_link(folder, git):
    shutil.rmtree(folder)
    home = folder.parent / "precious"
    home.mkdir()
    (home / "precious.txt").write_text("x", encoding="utf-8")
    folder.symlink_to(home)


# What only its own git knows of.
TO_GIT = [
    _stash,
    _configure,
    _delete_tags,
    _install_hooks,
    _delete_git,
    _git_becomes_a_file,
    _git_becomes_a_link,
    _stop_in_a_rebase,
    _stop_in_a_merge_conflict,
    _leave_locks,
]
# What a snapshot sees: the reset then starts from another index than without one.
TO_FILES = [
    _commit_all,
    _hide_changes,
    _sparse,
    _same_size_and_time,
    _swap_files_and_folders,
    _link_a_folder_away,
    _ignore_everything,
    _leave_a_file,
    _leave_empty_folders,
    _leave_links,
    _embed_a_repository,
    _make_a_tracked_folder_a_repository,
    _delete_everything,
    _replace_the_workspace_by_a_link,
]


@pytest.mark.parametrize(
    ("misdeed", "recorded"),
    [(deed, False) for deed in TO_GIT + TO_FILES] + [(deed, True) for deed in TO_FILES],
    ids=lambda value: {True: "recorded", False: ""}.get(value) or getattr(value, "__name__", ""),
)
def test_after_a_reset_nothing_an_agent_did_remains(
    workspace, user, base, in_folder, misdeed, recorded
):
    before = user.fingerprint()
    misdeed(workspace.path, in_folder)
    if recorded:
        snapshot(workspace, base)
    workspace.reset(base)
    assert content(workspace.path) == FIRST
    assert not list(workspace.path.rglob("empty"))
    assert in_folder(workspace.path, "status", "--porcelain", "--ignored") == ""
    assert in_folder(workspace.path, "rev-parse", "HEAD") == base
    assert in_folder(workspace.path, "stash", "list") == ""
    assert not (workspace.path / ".git/hooks").exists()
    assert list(workspace.path.rglob(".git")) == [workspace.path / ".git"]
    assert user.fingerprint() == before
    for kept in ("outside/code.py", "precious/precious.txt"):
        folder = workspace.path.parent / Path(kept).parent
        assert not folder.exists() or (workspace.path.parent / kept).exists()


def test_ignored_files_stay(workspace, base):
    (workspace.path / "ignored").mkdir()
    (workspace.path / "ignored/cache").write_text("x", encoding="utf-8")
    workspace.reset(base)
    assert (workspace.path / "ignored/cache").exists()


@pytest.mark.parametrize(
    "byproduct",
    ["src/__pycache__/code.pyc", "node_modules/x/index.js", "my.egg-info/PKG-INFO", ".venv/bin/x"],
)
def test_byproducts_of_tools_are_neither_recorded_nor_cleaned_away(workspace, base, byproduct):
    file = workspace.path / byproduct
    file.parent.mkdir(parents=True)
    file.write_text("x", encoding="utf-8")
    assert snapshot(workspace, base).changes == ()
    workspace.reset(base)
    assert file.exists()


def test_what_a_killed_git_left_does_not_stop_the_next_attempt(workspace, base):
    (workspace.private / "index.lock").touch()
    snapshot(workspace, base)
    (workspace.private / "index.lock").touch()
    (workspace.private / "index").write_bytes(b"half an ind")
    workspace.reset(base)
    assert content(workspace.path) == FIRST
    shutil.rmtree(workspace.private)
    workspace.reset(base)
    assert content(workspace.path) == FIRST


def test_folders_an_agent_made_read_only_are_cleaned(workspace, base, unprivileged):
    folder = workspace.path / "locked/deep"
    folder.mkdir(parents=True)
    (folder / "file").write_text("x", encoding="utf-8")
    (workspace.path / "src").chmod(0o500)
    (workspace.path / "src/code.py").write_text("changed\n", encoding="utf-8")
    for locked in (folder, folder.parent, workspace.path / ".git/refs", workspace.path / ".git"):
        locked.chmod(0o500)
    assert unprivileged(f"workspace.reset({base!r})") == ""
    assert content(workspace.path) == FIRST
