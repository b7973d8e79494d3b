"""Repositories inside a workspace: reported, and their files kept."""

import pytest

from autopack.model.ids import AttemptKey
from autopack.workspace import GITLINK


def snapshot(workspace, parent):
    ref = workspace.mirror.attempt_ref(AttemptKey("run-1", "p", 1))
    return workspace.snapshot(parent=parent, message="x", ref=ref)


@pytest.fixture
def embed(workspace, in_folder):
    def make(path: str, *, commit: bool) -> None:
        folder = workspace.path / path
        folder.mkdir(parents=True)
        in_folder(folder, "init", "-q")
        (folder / "committed.txt").write_text("committed\n", encoding="utf-8")
        if commit:
            in_folder(folder, "add", "-A")
            in_folder(folder, "commit", "-qm", "x")
        (folder / "later.txt").write_text("not committed\n", encoding="utf-8")

    return make


@pytest.mark.parametrize("commit", [True, False], ids=["with a commit", "without a commit"])
def test_an_embedded_repository_is_reported_and_kept(workspace, base, mirror, embed, commit):
    embed("wíth space/sub", commit=commit)
    (workspace.path / "plain.txt").write_text("x", encoding="utf-8")
    taken = snapshot(workspace, base)
    link, plain = sorted(taken.changes, key=lambda change: change.path, reverse=True)
    assert (link.path, link.status, link.mode) == ("wíth space/sub", "A", GITLINK)
    assert plain.path == "plain.txt"
    assert mirror.paths(link.oid) == ("committed.txt", "later.txt")
    assert mirror.read_ref(f"refs/autopack-embedded/{link.oid}") == link.oid
    # The same answer comes from the commit alone, when the attempt is resumed.
    assert mirror.changed_paths(base, taken.commit) == taken.changes


def test_several_and_nested_ones_are_all_kept(workspace, base, mirror, embed):
    embed("a", commit=False)
    embed("b", commit=False)
    embed("c", commit=True)
    embed("c/inner", commit=True)
    changes = {change.path: change for change in snapshot(workspace, base).changes}
    assert set(changes) == {"a", "b", "c"}
    listed = mirror.git.run("ls-tree", "-r", changes["c"].oid)
    inner = next(line.split()[2] for line in listed.splitlines() if "inner" in line)
    assert mirror.paths(inner) == ("committed.txt", "later.txt")


def test_files_of_a_tracked_folder_stay_files_when_it_becomes_a_repository(
    workspace, base, in_folder
):
    in_folder(workspace.path / "src", "init", "-q")
    (workspace.path / "src/code.py").write_text("x = 2\n", encoding="utf-8")
    (workspace.path / "src/new.py").write_text("y = 1\n", encoding="utf-8")
    changes = {(c.path, c.status) for c in snapshot(workspace, base).changes}
    assert changes == {("src/code.py", "M"), ("src/new.py", "A")}


def test_a_reset_removes_them(workspace, base, embed):
    embed("sub", commit=True)
    taken = snapshot(workspace, base)
    workspace.reset(base)
    assert not (workspace.path / "sub").exists()
    workspace.reset(taken.commit)
    workspace.reset(base)
    assert not (workspace.path / "sub").exists()


def test_a_file_replaces_a_repository_at_a_reset(workspace, base, embed):
    (workspace.path / "sub").mkdir()
    (workspace.path / "sub/file.txt").write_text("x", encoding="utf-8")
    taken = snapshot(workspace, base)
    workspace.reset(base)
    embed("sub", commit=True)
    snapshot(workspace, base)
    workspace.reset(taken.commit)
    assert [p.name for p in (workspace.path / "sub").iterdir()] == ["file.txt"]
