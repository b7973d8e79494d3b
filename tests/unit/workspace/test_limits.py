"""Limits of supervised programs: silence, and the files that they leave."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from autopack.process.limits import (
    FileLimit,
    Held,
    Limit,
    measure,
)
from autopack.process.run_options import RunOptions
from autopack.process.supervisor import Exit, Supervisor

Run = Callable[..., Coroutine[Any, Any, Exit]]

CHATTY = "import time\nfor _ in range(8): print('x', flush=True); time.sleep(0.25)"
LITTER = "import pathlib, sys\nfor n in range({}): pathlib.Path(str(n)).touch()\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    work = tmp_path / "work"
    work.mkdir()

    def start(code: str, **limits: Any) -> Coroutine[Any, Any, Exit]:
        return Supervisor(grace=0.3).run(
            [sys.executable, "-c", code],
            cwd=work,
            env={"PATH": os.environ["PATH"]},
            timeout=limits.pop("timeout", 30.0),
            spool=tmp_path / "out.log",
            options=RunOptions(**limits),
        )

    return start


async def test_a_program_that_falls_silent_is_ended(run: Run) -> None:
    ended = await run("import time; print('begun', flush=True); time.sleep(60)", silence=0.8)
    assert (ended.limit, ended.status, ended.timed_out) == (Limit.SILENCE, None, False)
    assert ended.reason == "was silent for 0.8 s"
    assert ended.tail == "begun\n"
    assert ended.seconds < 10


async def test_one_that_goes_on_talking_is_not(run: Run) -> None:
    ended = await run(CHATTY, silence=1.5)
    assert (ended.limit, ended.status) == (None, 0)
    assert ended.seconds > 1.5


async def test_a_program_that_goes_on_leaving_files_is_ended(run: Run, tmp_path: Path) -> None:
    code = LITTER.format(50) + "import time; time.sleep(60)"
    ended = await run(code, files=FileLimit((tmp_path / "work",), 20))
    assert (ended.limit, ended.status) == (Limit.FILES, None)
    assert ended.reason == "left more than 20 files"
    assert ended.seconds < 20


async def test_one_that_left_them_and_ended_is_told_apart(run: Run, tmp_path: Path) -> None:
    ended = await run(LITTER.format(50), files=FileLimit((tmp_path / "work",), 20))
    assert (ended.limit, ended.status) == (Limit.FILES, 0)


async def test_files_that_were_there_before_do_not_count(run: Run, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / "work" / f"old-{number}").touch()
    ended = await run(LITTER.format(20), files=FileLimit((tmp_path / "work",), 20))
    assert (ended.limit, ended.status) == (None, 0)


@pytest.mark.parametrize(
    ("limits", "limit", "words"),
    [
        ({"timeout": 0.4}, Limit.TIME, "ran out of time after 0 s"),
        ({"max_output": 1}, Limit.OUTPUT, "printed more than 1 bytes"),
    ],
)
async def test_the_other_limits_are_named_too(
    run: Run, limits: dict[str, Any], limit: Limit, words: str
) -> None:
    ended = await run("import time; print('begun', flush=True); time.sleep(60)", **limits)
    assert (ended.limit, ended.reason) == (limit, words)


def test_the_count_follows_no_link_and_ends_beyond_its_most(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").touch()
    (root / "loop").symlink_to(root)
    assert measure([root]).files == 4
    assert measure([root, root / "missing"]).files == 4
    assert measure([root], Held(1, 1000)).files in (2, 3)
