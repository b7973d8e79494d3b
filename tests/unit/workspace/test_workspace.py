"""A workspace: whatever an agent did to it, the next attempt starts from exactly its commit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autopack.errors import GitFailed
from autopack.workspace import Workspace


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and ".git" not in path.relative_to(folder).parts
    }


FIRST = {".gitignore": "ignored/\n", "readme.txt": "hello\n", "src/code.py": "x = 1\n"}


def snapshot(workspace: Workspace, parent: str, attempt: int = 1):
    ref = workspace.mirror.attempt_ref("run-1", "p", attempt)
    return workspace.snapshot(parent=parent, message=f"attempt {attempt}", ref=ref)


def test_an_agent_finds_a_clean_detached_checkout(workspace, base, in_folder):
    assert content(workspace.path) == FIRST
    assert in_folder(workspace.path, "status", "--porcelain") == ""
    assert in_folder(workspace.path, "rev-parse", "HEAD") == base
    assert in_folder(workspace.path, "branch", "--show-current") == ""
    assert in_folder(workspace.path, "log", "--format=%s") == "first"
    assert in_folder(workspace.path, "remote") == ""
    assert in_folder(workspace.path, "for-each-ref") == ""
    in_folder(workspace.path, "fsck", "--strict")


def test_an_agent_can_commit_without_an_identity(workspace, base, own_home):
    (own_home / ".gitconfig").write_text("[commit]\n\tgpgSign = true\n", encoding="utf-8")
    os.system(f"cd '{workspace.path}' && git commit -q --allow-empty -m mine")
    log = Path(workspace.path, ".git/HEAD").read_text(encoding="utf-8")
    assert log.strip() != base


def test_the_users_tags_are_there_to_derive_versions_from(user, open_mirror, tmp_path, in_folder):
    user.git("tag", "-a", "v1.2", "-m", "x")
    base = user.git("rev-parse", "HEAD")
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", base)
    assert in_folder(workspace.path, "describe") == "v1.2"


def test_the_results_of_other_runs_cannot_be_seen(mirror, base, tmp_path, in_folder):
    mirror.set_branch("run-0", base, None)
    workspace = Workspace.create(mirror, tmp_path / "w", base)
    assert in_folder(workspace.path, "for-each-ref") == ""


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


def test_a_snapshot_is_what_is_in_the_folder(workspace, base, mirror):
    (workspace.path / "readme.txt").write_text("changed\n", encoding="utf-8")
    (workspace.path / "src/code.py").unlink()
    (workspace.path / "neu ü.txt").write_text("new\n", encoding="utf-8")
    (workspace.path / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (workspace.path / "run.sh").chmod(0o755)
    (workspace.path / "ignored").mkdir()
    (workspace.path / "ignored/x").write_text("x", encoding="utf-8")
    taken = snapshot(workspace, base)
    assert {(c.path, c.status, c.mode) for c in taken.changes} == {
        ("readme.txt", "M", "100644"),
        ("src/code.py", "D", "100644"),
        ("neu ü.txt", "A", "100644"),
        ("run.sh", "A", "100755"),
    }
    assert mirror.file_at(taken.commit, "readme.txt") == b"changed\n"
    assert mirror.read_ref("refs/autopack/run-1/p/1") == taken.commit
    assert mirror.tree_of(taken.commit) == taken.tree


def test_an_unchanged_workspace_makes_a_commit_all_the_same(workspace, base, mirror):
    taken = snapshot(workspace, base)
    assert taken.commit != base
    assert taken.changes == ()
    assert mirror.git.run("show", "--no-patch", "--format=%an <%ae> %P %s", taken.commit) == (
        f"Autopack <autopack@localhost> {base} attempt 1\n"
    )


def test_work_the_agent_committed_is_recorded(workspace, base, in_folder):
    _commit_all(workspace.path, in_folder)
    assert [c.path for c in snapshot(workspace, base).changes] == ["readme.txt"]


def test_a_snapshot_after_the_agents_git_is_gone_is_complete(workspace, base):
    (workspace.path / "new.txt").write_text("x", encoding="utf-8")
    shutil.rmtree(workspace.path / ".git")
    assert [c.path for c in snapshot(workspace, base).changes] == ["new.txt"]


def test_a_workspace_that_is_gone_is_everything_deleted(workspace, base):
    shutil.rmtree(workspace.path)
    changes = {(c.path, c.status) for c in snapshot(workspace, base).changes}
    assert changes == {(path, "D") for path in FIRST}


def test_an_attempt_can_continue_from_the_last_ones_tree(workspace, base, in_folder):
    (workspace.path / "new.txt").write_text("x", encoding="utf-8")
    taken = snapshot(workspace, base)
    workspace.reset(base)
    assert not (workspace.path / "new.txt").exists()
    workspace.reset(taken.commit)
    assert (workspace.path / "new.txt").exists()
    assert in_folder(workspace.path, "log", "--format=%s").splitlines() == ["attempt 1", "first"]


def test_line_ends_survive_whatever_the_user_configured(user, own_home, open_mirror, tmp_path):
    settings = "[core]\n\tautocrlf = true\n\tfsmonitor = true\n"
    (own_home / ".gitconfig").write_text(settings, encoding="utf-8")
    user.git("config", "core.autocrlf", "true")
    (user.path / "mixed.txt").write_bytes(b"a\r\nb\n")
    user.git("-c", "core.autocrlf=false", "add", "mixed.txt")
    user.write(".gitattributes", "readme.txt filter=broken\n")
    user.git("-c", "core.autocrlf=false", "add", ".gitattributes")
    user.git("commit", "-qm", "mixed")
    for setting, value in (("clean", "false"), ("smudge", "false"), ("required", "true")):
        user.git("config", f"filter.broken.{setting}", value)
    head = user.git("rev-parse", "HEAD")
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", head)
    assert (workspace.path / "mixed.txt").read_bytes() == b"a\r\nb\n"
    (workspace.path / "unix.txt").write_bytes(b"a\nb\n")
    taken = snapshot(workspace, head)
    assert [c.path for c in taken.changes] == ["unix.txt"]
    assert workspace.mirror.file_at(taken.commit, "unix.txt") == b"a\nb\n"


def test_failing_hooks_of_the_user_do_not_matter(user, base, open_mirror, tmp_path, own_home):
    hooks = own_home / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change"):
        user.hook(name, "exit 1")
        shutil.copy(user.path / ".git/hooks" / name, hooks / name)
    settings = f"[core]\n\thooksPath = {hooks}\n[commit]\n\tgpgSign = true\n"
    (own_home / ".gitconfig").write_text(settings, encoding="utf-8")
    mirror = open_mirror(user)
    workspace = Workspace.create(mirror, tmp_path / "w", base)
    mirror.publish("run-1", snapshot(workspace, base).commit)


def test_a_dirty_checkout_of_the_user_plays_no_part(user, base, open_mirror, tmp_path):
    user.write("readme.txt", "half-done\n")
    user.write("staged.txt", "x")
    user.git("add", "staged.txt")
    user.git("stash")
    user.write("untracked.txt", "x")
    before = user.fingerprint()
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", base)
    assert content(workspace.path) == FIRST
    snapshot(workspace, base)
    assert user.fingerprint() == before


def test_nothing_an_agent_runs_reaches_the_users_repository(workspace, user, in_folder):
    before = user.fingerprint()
    path = workspace.path
    for command in ("stash -u", "config user.name x", "tag t", "tag -d t", "branch b", "gc -q",
                    "reflog expire --expire=now --all", "prune", "fetch", "push"):  # fmt: skip
        in_folder(path, *command.split(), check=False)
    assert user.fingerprint() == before
    assert str(user.path) not in (path / ".git/config").read_text(encoding="utf-8")


def test_git_never_looks_above_a_workspace(workspace, in_folder, monkeypatch):
    in_folder(workspace.path.parent, "init", "-q")
    shutil.rmtree(workspace.path / ".git")
    assert in_folder(workspace.path, "rev-parse", "--show-toplevel", check=False) != ""
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    assert in_folder(workspace.path, "rev-parse", "--show-toplevel", check=False) == ""


def test_another_process_can_go_on_with_a_workspace(workspace, base, mirror):
    (workspace.path / "new.txt").write_text("x", encoding="utf-8")
    adopted = Workspace.adopt(mirror, workspace.path)
    assert adopted == workspace
    assert [c.path for c in snapshot(adopted, base).changes] == ["new.txt"]


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


def test_a_folder_with_somebodys_files_is_refused(mirror, base, user):
    with pytest.raises(GitFailed, match="not a workspace of Autopack's"):
        Workspace.create(mirror, user.path, base)
    assert (user.path / "readme.txt").exists()


def test_removing_takes_everything_but_the_commits(workspace, base, mirror):
    taken = snapshot(workspace, base)
    (workspace.path / "ro").mkdir(mode=0o500)
    workspace.remove()
    workspace.remove()
    assert not workspace.path.exists()
    assert not workspace.private.exists()
    assert mirror.read_ref("refs/autopack/run-1/p/1") == taken.commit


# Root may do everything, so permissions are tested in a process that gave that up.
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
WORKER = """
import sys
from pathlib import Path
from autopack.workspace import Mirror, SourceRepository, Workspace
mirror = Mirror.open(Path(sys.argv[1]), SourceRepository.open(sys.argv[2]))
workspace = Workspace.adopt(mirror, Path(sys.argv[3]))
"""


@pytest.fixture
def unprivileged(workspace, user):
    if not hasattr(os, "geteuid") or (os.geteuid() == 0 and shutil.which("setpriv") is None):
        pytest.skip("needs POSIX permissions, and setpriv for root")

    def run(action: str) -> str:
        prefix = WITHOUT_PRIVILEGES if os.geteuid() == 0 else []
        home = workspace.mirror.git_dir.parent.parent
        argv = [sys.executable, "-c", WORKER + action, home, user.path, workspace.path]
        done = subprocess.run([*prefix, *argv], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


def test_a_file_that_cannot_be_read_is_named(workspace, base, unprivileged):
    (workspace.path / "secret.txt").write_text("x", encoding="utf-8")
    (workspace.path / "secret.txt").chmod(0)
    output = unprivileged(f"workspace.snapshot(parent={base!r}, message='x', ref='refs/x')")
    assert "GitFailed: git add" in output
    assert "secret.txt" in output
    assert "Permission denied" in output


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
