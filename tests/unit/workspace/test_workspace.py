"""A workspace: what an agent finds in it, what it cannot reach, and how it comes and goes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.workspaces import FIRST, content, snapshot

from autopack.model.errors import GitFailed
from autopack.model.ids import AttemptKey
from autopack.workspace import Workspace, agent_git


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
    commit = ["git", "commit", "-q", "--allow-empty", "-m", "mine"]
    subprocess.run(commit, cwd=workspace.path, check=False)
    log = Path(workspace.path, ".git/HEAD").read_text(encoding="utf-8")
    assert log.strip() != base


def test_the_users_tags_are_there_to_derive_versions_from(user, open_mirror, tmp_path, in_folder):
    user.git("tag", "-a", "v1.2", "-m", "x")
    base = user.git("rev-parse", "HEAD")
    workspace = Workspace.create(open_mirror(user), tmp_path / "w", base)
    assert in_folder(workspace.path, "describe") == "v1.2"


def test_the_results_of_other_runs_cannot_be_seen(mirror, base, tmp_path, in_folder):
    mirror.set_ref(mirror.attempt_ref(AttemptKey("run-0", "p", 1)), base, old=None)
    workspace = Workspace.create(mirror, tmp_path / "w", base)
    assert in_folder(workspace.path, "for-each-ref") == ""


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


def test_a_workspace_beside_another_is_as_one_of_its_own(
    workspace, base, mirror, tmp_path, monkeypatch
):
    (workspace.path / "new.txt").write_text("x", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(agent_git, "prepare", None)  # git is not asked again
        beside = workspace.beside(tmp_path / "beside", base)
    alone = Workspace.create(mirror, tmp_path / "alone", base)
    assert content(beside.path) == content(alone.path)
    for name in ("HEAD", "config", "info/exclude", "packed-refs", "objects/info/alternates"):
        there = beside.path / ".git" / name
        assert there.read_bytes() == (alone.path / ".git" / name).read_bytes(), name
    (beside.path / "new.txt").write_text("y", encoding="utf-8")
    assert [change.path for change in snapshot(beside, base).changes] == ["new.txt"]
    beside.remove()
    workspace.reset(base)
    assert content(workspace.path) == content(alone.path)


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
