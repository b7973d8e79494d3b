"""What one no-op phase asks of the application database: statements, reads, write transactions.

    uv run python tests/bench/statements.py [--list]

A run of five phases that do nothing against a run of one, on SQLite and on PostgreSQL: the
difference, by four, is what a phase costs. ``--list`` prints the statements of one phase in their
order. The thread that keeps the lease asks by time and is not counted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.noop_project import noop_project

MORE = 4


@dataclass
class Asked:
    """What was asked of databases while it was listened: the texts, and how they were grouped."""

    statements: list[str] = field(default_factory=list[str])
    reads: int = 0
    writes: int = 0
    programs: list[str] = field(default_factory=list[str])


_listening: list[Asked] = []


def _is_counted() -> bool:
    return bool(_listening) and not threading.current_thread().name.startswith("lease-")


@event.listens_for(sa.Engine, "before_cursor_execute")
def _(_conn: Any, _cursor: Any, statement: str, *_more: Any) -> None:  # pyright: ignore[reportUnusedFunction]
    if _is_counted() and not statement.startswith("BEGIN"):
        _listening[0].statements.append(" ".join(statement.split()))


@event.listens_for(sa.Engine, "begin")
def _(conn: sa.Connection) -> None:  # pyright: ignore[reportUnusedFunction]
    if not _is_counted():
        return
    if conn.get_execution_options().get("read_only"):
        _listening[0].reads += 1
        _listening[0].statements.append("-- read")
    else:
        _listening[0].writes += 1
        _listening[0].statements.append("-- write")


def _note_program(name: str, arguments: tuple[Any, ...]) -> None:
    if name == "subprocess.Popen" and _is_counted():
        argv = [str(one) for one in arguments[1]]
        words = iter(argv[1:])
        named = [word for word in words if word != "-c" or not next(words, "")]
        _listening[0].programs.append(" ".join([Path(argv[0]).name, *named])[:150])


sys.addaudithook(_note_program)


@contextmanager
def listening() -> Generator[Asked]:
    """Count while the block is open."""
    asked = Asked()
    _listening.append(asked)
    try:
        yield asked
    finally:
        _listening.clear()


def asked_by(phases: int, folder: Path) -> Asked:
    """What a run of so many phases that do nothing asks, from its start to its end."""
    from flows import execute_run

    folder.mkdir()
    plan, repository, recording = noop_project(folder, phases)
    with listening() as asked:
        run = asyncio.run(
            execute_run(
                plan=str(plan), repo=str(repository), builder_options=f"recording={recording}"
            )
        )
    if run["state"] != "DONE_SUCCESS":
        raise SystemExit(f"the run ended {run['state']}: {run['failure_reason']}")
    return asked


def of_one_phase(folder: Path, *, listed: bool) -> str:
    """A line about one phase, and its statements one by one."""
    folder.mkdir()
    asked_by(1, folder / "before")  # the first run of a process looks up more
    few, many = asked_by(1, folder / "few"), asked_by(1 + MORE, folder / "many")
    told = (
        f"{_a_phase(_count(few), _count(many)):5.1f} statements"
        f" {_a_phase(few.reads, many.reads):5.1f} reads"
        f" {_a_phase(few.writes, many.writes):5.1f} write transactions"
        f" {_a_phase(len(few.programs), len(many.programs)):5.1f} programs started"
    )
    if not listed:
        return told
    own = [at for at, text in enumerate(many.statements) if text.startswith("INSERT INTO attempts")]
    started = many.statements[own[2] : own[3]]
    git = len(many.programs) // (1 + MORE)
    programs = many.programs[2 * git : 3 * git]
    return "\n".join([told, *(f"    {one[:150]}" for one in started), *programs])


def _count(asked: Asked) -> int:
    return sum(not text.startswith("--") for text in asked.statements)


def _a_phase(few: int, many: int) -> float:
    return (many - few) / MORE


def main() -> None:
    listed = "--list" in sys.argv
    with tempfile.TemporaryDirectory(prefix="autopack-bench-") as name, ExitStack() as parts:
        folder = Path(name)
        os.environ["AUTOPACK_HOME"] = str(folder / "home")
        os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
        os.environ.pop("PREFECT_API_URL", None)
        from autopack.store.database.engine import Database
        from deployments.own_postgres import own_postgres

        url = parts.enter_context(own_postgres(folder / "postgres")).replace("+asyncpg", "")
        db = Database.open(url, check_schema=False)
        db.upgrade()
        db.close()
        for engine, address in (
            ("sqlite", f"sqlite:///{folder / 'bench.db'}"),
            ("postgresql", url),
        ):
            os.environ["DATABASE_URL"] = address
            print(f"{engine:10}  {of_one_phase(folder / engine, listed=listed)}", flush=True)


if __name__ == "__main__":
    main()
