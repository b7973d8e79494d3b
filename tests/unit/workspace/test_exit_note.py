"""What is noted of a program's end, for when nobody waited for it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from autopack.model.boot import boot_id
from autopack.process.exit_note import EXIT_NOTE, read_exit
from autopack.process.run_options import RunOptions
from autopack.process.supervisor import Supervisor

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the reaper")


async def run(folder: Path, program: str, seconds: float = 30) -> Path:
    worktree, spool = folder / "000001", folder / "spool"
    worktree.mkdir()
    spool.mkdir()
    await Supervisor(grace=0.2).run(
        [sys.executable, "-c", program],
        cwd=worktree,
        env=dict(os.environ),
        timeout=seconds,
        spool=spool / "out",
        options=RunOptions(
            spends=True,
            exit_note=spool / EXIT_NOTE,
        ),
    )
    return spool


@linux
@pytest.mark.parametrize("status", [0, 3])
async def test_a_program_that_ended_by_itself_is_noted(tmp_path: Path, status: int) -> None:
    noted = read_exit(await run(tmp_path, f"raise SystemExit({status})"))
    assert noted is not None
    assert (noted.status, noted.folder) == (status, "000001")
    assert {path.name for path in (tmp_path / "spool").iterdir()} == {EXIT_NOTE, "out", "out.mark"}


@linux
@pytest.mark.parametrize(
    "program",
    ["import time; time.sleep(60)", "import os; os.kill(os.getpid(), 9)", "raise SystemExit(143)"],
    ids=["ended by a limit", "killed", "told to end"],
)
async def test_one_that_was_ended_is_not(tmp_path: Path, program: str) -> None:
    assert read_exit(await run(tmp_path, program, seconds=1)) is None


@linux
async def test_a_link_in_the_place_of_the_note_is_replaced(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("as it was")
    spool = tmp_path / "spool" / EXIT_NOTE
    noted = read_exit(
        await run(tmp_path, f"import os; os.symlink({str(theirs)!r}, {str(spool)!r})")
    )
    assert noted is not None
    assert theirs.read_text() == "as it was"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"status": 0}',
        json.dumps({"status": 0, "folder": "000001", "boot": "another"}),
        json.dumps({"status": -9, "folder": "000001", "boot": boot_id()}),
        json.dumps({"status": 137, "folder": "000001", "boot": boot_id()}),
        json.dumps({"status": "?", "folder": "000001", "boot": boot_id()}),
    ],
)
def test_a_note_that_does_not_say_it_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / EXIT_NOTE).write_text(text)
    assert read_exit(tmp_path) is None
    assert read_exit(tmp_path / "nowhere") is None
