"""Real processes write the ledger at once, and are killed at any moment: totals are exact."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import support.ledger_writer as writer

from autopack.ledger.events.usage_events import token_totals
from autopack.ledger.recorder import ingest_all
from autopack.ledger.sums import ROLLUPS, unexplained
from autopack.store import Database

RUNS = ("run-0", "run-1", "run-2")


def start(url: str, folder: Path, name: str, first: int, last: int, pause: float = 0) -> object:
    tests = Path(writer.__file__).parent.parent
    return subprocess.Popen(
        [
            sys.executable,
            writer.__file__,
            url,
            str(folder),
            name,
            str(first),
            str(last),
            str(pause),
        ],
        env={**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def check_totals(db: Database, calls: int) -> None:
    totals = token_totals(db, *RUNS)
    assert (totals.events, totals.total) == (calls, calls * (calls + 1) // 2)
    with db.read() as conn:
        for table in ROLLUPS:
            assert conn.execute(unexplained(table, db.dialect)).all() == []


@pytest.mark.slow
def test_processes_that_write_at_once_lose_and_double_nothing(
    open_database: Callable[..., Database],
    database_url: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Every call is recorded by two of them."""
    count = 32 if request.config.getoption("--full") else 8
    calls = count * 20
    writers = [
        start(database_url, tmp_path, str(n), n * 20, min((n + 2) * 20, calls))
        for n in range(count)
    ]
    for one in writers:
        assert one.wait(timeout=300) == 0  # pyright: ignore[reportAttributeAccessIssue]
    db = open_database()
    ingest_all(db, tmp_path)
    check_totals(db, calls)


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_and_begun_again_counts_each_call_once(
    open_database: Callable[..., Database],
    database_url: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    kills = 50 if request.config.getoption("--full") else 4
    moments = random.Random(5)
    for _ in range(kills):
        one = start(database_url, tmp_path, "w", 0, 10_000, 0.002)
        assert one.stdout.readline() == "ready\n"  # pyright: ignore[reportAttributeAccessIssue]
        time.sleep(moments.uniform(0, 0.3))
        one.kill()  # pyright: ignore[reportAttributeAccessIssue]
        one.wait()  # pyright: ignore[reportAttributeAccessIssue]
    last = start(database_url, tmp_path, "w", 0, 600)
    assert last.wait(timeout=300) == 0  # pyright: ignore[reportAttributeAccessIssue]
    db = open_database()
    ingest_all(db, tmp_path)
    # A kill may have come after the 600th call; what is there is a whole number of batches.
    check_totals(db, token_totals(db, *RUNS).events)
    assert token_totals(db, *RUNS).events >= 600
