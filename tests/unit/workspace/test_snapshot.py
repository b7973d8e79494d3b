"""What an attempt left becomes a commit: all of it, whatever became of the agent's own git."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.workspaces import FIRST, snapshot

from autopack.workspace import Workspace
from autopack.workspace.git import Git


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
    (workspace.path / "readme.txt").write_text("changed\n", encoding="utf-8")
    in_folder(workspace.path, "commit", "-qam", "mine")
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


def test_a_file_that_cannot_be_read_is_named_and_the_rest_recorded(workspace, base, unprivileged):
    (workspace.path / "secret.txt").write_text("x", encoding="utf-8")
    (workspace.path / "secret.txt").chmod(0)
    (workspace.path / "other.txt").write_text("x", encoding="utf-8")
    output = unprivileged(
        f"s = workspace.snapshot(parent={base!r}, message='x', ref='refs/x'); "
        "print(s.refused, [c.path for c in s.changes])"
    )
    assert "cannot be read: Permission denied" in output
    assert "['other.txt']" in output


def _written(workspace: Workspace, name: str, text: str) -> None:
    (workspace.path / name).write_text(text, encoding="utf-8")


def _staged(workspace: Workspace) -> None:
    """As a process does that is killed before it commits what it has recorded."""
    git = Git(
        git_dir=workspace.mirror.git_dir,
        work_tree=workspace.path,
        index_file=workspace.private / "index",
    )
    git.run("add", "-A")


def _cut_off(workspace: Workspace, commit: str) -> None:
    """As a process does that is killed at the end of a reset."""
    copied = shutil.copy2

    def copy(source: Path, target: Path) -> None:
        if target.name == "checked-out":
            raise KeyboardInterrupt
        copied(source, target)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("autopack.workspace.workspace.shutil.copy2", copy)
        with pytest.raises(KeyboardInterrupt):
            workspace.reset(commit)


STEPS: dict[str, Callable[[Workspace, list[str]], object]] = {
    "a new file": lambda w, _: _written(w, "new.txt", "x\n"),
    "another of its size": lambda w, _: _written(w, "readme.txt", "HELLO\n"),
    "as it was": lambda w, _: _written(w, "readme.txt", "hello\n"),
    "touched": lambda w, _: (w.path / "readme.txt").touch(),
    "deleted": lambda w, _: (w.path / "src/code.py").unlink(missing_ok=True),
    "executable": lambda w, _: (w.path / ".gitignore").chmod(0o755),
    "kept": lambda w, made: made.append(snapshot(w, made[-1], len(made)).commit),
    "recorded, and killed": lambda w, _: _staged(w),
    "reset to the first": lambda w, made: w.reset(made[0]),
    "reset to the last": lambda w, made: w.reset(made[-1]),
    "killed while it is reset": lambda w, made: _cut_off(w, made[-1]),
}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(list(STEPS)), min_size=2, max_size=7))
def test_a_snapshot_is_what_lies_there_whatever_was_done_before(workspace, base, tmp_path, steps):
    workspace.reset(base)
    made = [base]
    for name in steps:
        STEPS[name](workspace, made)
    index = tmp_path / "index"
    index.unlink(missing_ok=True)
    anew = Git(git_dir=workspace.mirror.git_dir, work_tree=workspace.path, index_file=index)
    anew.run("add", "-A")
    taken = workspace.snapshot(parent=made[-1], message="the last", ref=None)
    assert taken.tree == anew.run("write-tree").strip()
