"""Builders of Autopack's own change files of the worktree and nothing that a link leads to."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from autopack.agents.edits import OutsideWorktree, delete_file, write_file


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    """A worktree with links out of it, and what they lead to beside it."""
    root = tmp_path / "worktree"
    (root / "src").mkdir(parents=True)
    (root / ".git").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("precious")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "file")
    (root / "new").symlink_to(tmp_path / "outside" / "new")
    (root / "inside").symlink_to("src")
    (root / "circle").symlink_to("circle")
    (root / "hooks").symlink_to(".git")
    return root


@pytest.mark.parametrize(
    "path", ["out/file", "out/new", "file", "new", "../outside/file", "hooks/x", ".GIT/x", "circle"]
)
def test_nothing_is_written_outside_the_worktree(worktree: Path, path: str) -> None:
    with pytest.raises((OutsideWorktree, OSError)):
        write_file(worktree, path, "changed")
    outside = worktree.parent / "outside"
    assert [(one.name, one.read_text()) for one in outside.iterdir()] == [("file", "precious")]


def test_links_inside_lead_where_they_should(worktree: Path) -> None:
    write_file(worktree, "inside/deep/a.py", "x = 1\n")
    assert (worktree / "src" / "deep" / "a.py").read_text() == "x = 1\n"


def test_a_file_keeps_its_permissions_and_its_other_name_its_content(worktree: Path) -> None:
    program = worktree / "src" / "run.sh"
    program.write_text("old")
    program.chmod(0o755)
    (worktree.parent / "store").hardlink_to(program)
    write_file(worktree, "src/run.sh", "new")
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    assert (program.read_text(), (worktree.parent / "store").read_text()) == ("new", "old")


def test_a_link_is_deleted_and_what_it_leads_to_stays(worktree: Path) -> None:
    delete_file(worktree, "file")
    delete_file(worktree, "src/nothing")
    with pytest.raises(OutsideWorktree):
        delete_file(worktree, "out/file")
    assert not (worktree / "file").is_symlink()
    assert (worktree.parent / "outside" / "file").read_text() == "precious"
