"""Notes survive the death of the process and of the machine, whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autopack.agents.protocol import BuildResult, BuildStatus
from autopack.files import durable
from autopack.files.durable import write_whole
from autopack.files.savepoint import Savepoint
from autopack.runs.spools.spool import read_end, write_end

pytestmark = pytest.mark.skipif(os.name != "posix", reason="looks at calls of POSIX")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is made durable, and when names appear, in order."""
    made: list[str] = []
    real_fsync, real_replace, real_flush = os.fsync, os.replace, durable.flush_files

    def fsync(descriptor: int) -> None:
        made.append("entries" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "content")
        real_fsync(descriptor)

    def replace(source: str, target: str, **folders: int) -> None:
        made.append(f"{Path(target).name} appears")
        real_replace(source, target, **folders)

    def flush_files(folder: Path) -> None:
        made.append(f"all of {folder.name}")
        real_flush(folder)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    for module in ("runs.spools.spool", "files.savepoint"):
        monkeypatch.setattr(f"autopack.{module}.flush_files", flush_files)
    return made


def test_content_is_on_disk_before_the_name_and_the_name_before_it_is_relied_on(
    tmp_path: Path, calls: list[str]
) -> None:
    write_whole(tmp_path / "note", "text")
    assert (tmp_path / "note").read_text() == "text"
    assert calls == ["content", "note appears", "entries"]


def test_the_end_of_a_build_is_noted_when_its_work_is_on_disk(
    tmp_path: Path, calls: list[str]
) -> None:
    for name in ("spool", "000001"):
        (tmp_path / name).mkdir()
    end = BuildResult(BuildStatus.ENDED, 0, "")
    write_end(tmp_path / "spool", end, tmp_path / "000001")
    flushed = ["all of 000001", "all of spool"]
    assert calls == [*flushed, "content", "build.json appears", "entries"]


def test_a_savepoint_is_noted_when_its_copies_are_on_disk(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "environment").mkdir()
    (tmp_path / "environment" / "python").touch()
    Savepoint.make(tmp_path / "savepoint", [tmp_path / "environment"])
    assert calls == ["all of savepoint", "content", "kept.json appears", "entries"]


@pytest.mark.parametrize("step", ["fsync", "write"])
def test_who_dies_meanwhile_leaves_the_old_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    note = tmp_path / "note"
    write_whole(note, "old")
    text = "new"
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    else:
        text = "\ud800"  # cannot be written
    with pytest.raises((OSError, UnicodeEncodeError)):
        write_whole(note, text)
    assert note.read_text() == "old"
    assert list(tmp_path.iterdir()) == [note]


def test_a_link_in_the_place_of_the_note_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "note").symlink_to(tmp_path / "precious")
    write_whole(tmp_path / "note", "text")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "note").read_text() == "text"
    assert not (tmp_path / "note").is_symlink()
    assert (tmp_path / "note").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "left", ["nothing", "a file", "a link to nowhere", "a pipe", "a closed folder"]
)
def test_the_end_of_a_build_is_noted_whatever_it_left_of_its_worktree(
    tmp_path: Path, left: str
) -> None:
    spool, worktree = tmp_path / "spool", tmp_path / "work" / "000001"
    spool.mkdir()
    if left != "nothing":
        worktree.parent.mkdir()
    if left == "a file":
        worktree.write_text("in its place")
    elif left == "a link to nowhere":
        worktree.symlink_to(tmp_path / "nowhere")
    elif left == "a pipe":
        os.mkfifo(worktree)
    elif left == "a closed folder":
        worktree.mkdir(0o000)
    write_end(spool, BuildResult(BuildStatus.ENDED, 0, ""), worktree)
    assert read_end(spool) is not None
