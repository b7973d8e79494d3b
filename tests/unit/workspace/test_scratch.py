"""The temporary folder of a program: its own, short, and gone when the program has ended."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from autopack.process.scratch import VARIABLES, Scratch
from autopack.workspace import Exit, Supervisor

Run = Callable[..., Awaitable[Exit]]
LITTER = "import os, tempfile; os.chmod(tempfile.mkdtemp(), 0o500); print(tempfile.mkstemp()[1])"
SOCKET = "import multiprocessing.connection as c; print(c.Listener(family='AF_UNIX').address)"


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the system that nobody else uses, as short as the real one."""
    with tempfile.TemporaryDirectory(prefix="t") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(code: str, *, seconds: float = 20, **env: str) -> Awaitable[Exit]:
        return Supervisor(grace=0.3).run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **env},
            timeout=seconds,
            spool=tmp_path / "out.log",
        )

    return start


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


async def test_a_program_leaves_nothing_in_the_systems_temporary_folder(
    run: Run, system: Path
) -> None:
    ended = await run(LITTER)
    assert ended.status == 0
    assert Path(ended.tail.strip()).parent.parent == system
    assert is_empty(system)


@pytest.mark.parametrize("more", ["import time; time.sleep(60)", "1 / 0"])
async def test_nor_does_one_that_fails_or_runs_out_of_time(
    run: Run, system: Path, more: str
) -> None:
    assert (await run(f"{LITTER}; {more}", seconds=2)).status != 0
    assert is_empty(system)


async def test_a_missing_program_leaves_nothing_either(system: Path, tmp_path: Path) -> None:
    ended = await Supervisor().run(
        ["no-such-program"], cwd=tmp_path, env={}, timeout=1, spool=tmp_path / "out.log"
    )
    assert ended.status == 127
    assert is_empty(system)


async def test_every_variable_names_it(run: Run, system: Path) -> None:
    ended = await run(f"import os; print(*{{os.environ[name] for name in {VARIABLES}}})")
    (named,) = ended.tail.split()
    assert Path(named).parent == system


@pytest.mark.skipif(sys.platform == "win32", reason="there are no Unix sockets")
async def test_sockets_fit_into_it(run: Run, system: Path) -> None:
    ended = await run(SOCKET)
    assert ended.status == 0, ended.tail
    assert ended.tail.startswith(str(system))


async def test_a_program_that_was_given_one_keeps_it(
    run: Run, system: Path, tmp_path: Path
) -> None:
    ended = await run("import tempfile; print(tempfile.gettempdir())", TMPDIR=str(tmp_path))
    assert ended.tail == f"{tmp_path}\n"


async def test_what_would_be_too_deep_for_sockets_is_left_as_it_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("x" * 50)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    ended = await run("import os; print(os.environ.get('TMPDIR'))")
    assert ended.tail == "None\n"


def test_what_a_crash_left_is_swept_away_and_nothing_else(system: Path, tmp_path: Path) -> None:
    mine, other = (Scratch.of(tmp_path / name) for name in ("mine", "other"))
    left, kept = mine.make({}), other.make({})
    assert left is not None
    assert kept is not None
    (left / "library.so").write_bytes(b"x")
    (system / "autopack-demo-x").mkdir()
    mine.sweep()
    assert sorted(system.iterdir()) == sorted([kept, system / "autopack-demo-x"])
