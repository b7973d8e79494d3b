"""The note of how a build ended."""

from pathlib import Path

import pytest

from autopack.agents.protocol import BuildResult, BuildStatus
from autopack.model.ids import AttemptKey
from autopack.runs.spools.spool import (
    BuildEnd,
    read_end,
    spool_folder,
    write_end,
)


def test_every_attempt_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folders = {
        spool_folder(tmp_path, AttemptKey("r", phase, n))
        for phase in ("a", "b")
        for n in (1, 2, 11)
    }
    assert len(folders) == 6
    assert spool_folder(tmp_path, AttemptKey("r", "a", 2)) == tmp_path / "spool" / "a" / "2"


@pytest.mark.parametrize(
    "end",
    [
        BuildEnd(BuildStatus.ENDED, 0, "done"),
        BuildEnd(BuildStatus.ENDED, -9, ""),
        BuildEnd(BuildStatus.FAILED, None, "größer\nals 😀"),
        BuildEnd(BuildStatus.TIMED_OUT, None, "ran out of time"),
    ],
)
def test_an_end_is_read_as_it_was_noted(end: BuildEnd, tmp_path: Path) -> None:
    write_end(tmp_path, BuildResult(end.status, end.exit_status, end.summary))
    assert read_end(tmp_path) == end
    assert [path.name for path in tmp_path.iterdir()] == ["build.json"]


def test_a_build_that_was_cut_off_has_no_end(tmp_path: Path) -> None:
    assert read_end(tmp_path) is None
    assert read_end(tmp_path / "never made") is None


def test_a_note_that_was_cut_off_is_no_end(tmp_path: Path) -> None:
    (tmp_path / "build.json.part").write_text('{"status": "en')
    assert read_end(tmp_path) is None
    write_end(tmp_path, BuildResult(BuildStatus.ENDED, 0, "done"))
    assert read_end(tmp_path) == BuildEnd(BuildStatus.ENDED, 0, "done")
