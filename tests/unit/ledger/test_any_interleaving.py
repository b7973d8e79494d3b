"""Whatever order calls are recorded, repeated, refused, kept and archived in, each counts once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.usage import usage_event

from autopack.ledger.check import check
from autopack.ledger.consolidated import usage
from autopack.ledger.events.usage_events import record_events, token_totals
from autopack.ledger.recorder import Recorder
from autopack.ledger.retention import retain
from autopack.store import Database
from autopack.store.tables.rollups import usage_imports
from autopack.store.usage_event import UsageEvent

_numbers = itertools.count()
OLD = datetime(2020, 1, 1, tzinfo=UTC)

calls = st.integers(0, 11)
batches = st.lists(calls, max_size=6)
steps = st.one_of(
    st.tuples(st.just("record"), batches),
    st.tuples(st.just("crash"), batches),  # the transaction is rolled back
    st.tuples(st.just("keep"), batches),  # the database is away, the spool takes it
    st.tuples(st.just("ingest"), st.just([])),
    st.tuples(st.just("retain"), st.just([])),
)


def event(number: int) -> UsageEvent:
    """Call ``number``; its tokens make every subset's sum its own."""
    return usage_event(
        event_key=f"key-{number}",
        run_id=f"run-{number % 2}",
        phase_id=f"phase-{number % 3}",
        model=f"m{number % 2}",
        role="builder" if number % 4 else "doctor",
        category="base" if number % 4 else "second_opinion",
        total_tokens=2**number,
        created_at=OLD + timedelta(days=number % 3),
    )


@contextmanager
def fresh(engine_name: str, request: pytest.FixtureRequest, folder: Path) -> Generator[Database]:
    if engine_name == "sqlite":
        path = folder / f"{next(_numbers)}.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        db = Database.open(f"sqlite:///{path}")
        yield db
        db.close()
        return
    server = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("postgres_template"))
    db = Database.open(server.url(name))
    yield db
    db.close()
    server.drop(name)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, max_size=12))
def test_totals_are_those_of_the_distinct_calls(
    engine_name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    history: list[tuple[str, list[int]]],
) -> None:
    with fresh(engine_name, request, tmp_path) as db:
        db.transact(
            lambda conn: conn.execute(
                sa.insert(usage_imports),
                [{"run_id": f"run-{n}", "origin": "f", "imported_at": OLD} for n in (0, 1)],
            )
        )
        recorder = Recorder(db, tmp_path / str(next(_numbers)))
        expected: set[int] = set()
        for step, numbers in history:
            events = [event(number) for number in numbers]
            if step == "record":
                recorder.record(events)
            elif step == "crash":
                with pytest.raises(ZeroDivisionError):
                    db.transact(lambda conn, events=events: record_events(conn, events) / 0)
                continue
            elif step == "keep":
                recorder._keep(events, None)
            elif step == "ingest":
                recorder.ingest()
            else:
                retain(db, timedelta(days=90))
            expected |= set(numbers)
        recorder.ingest()

        total = sum(2**number for number in expected)
        assert token_totals(db, "run-0", "run-1").total == total
        assert token_totals(db, "run-0", "run-1").events == len(expected)
        for by in ("model", "day", "run"):
            assert usage(db, by=by).total.total == total
        assert check(db) == []
