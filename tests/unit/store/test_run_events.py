"""What happens to a run is noted with it: each change once, in order, and never skipped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import AttemptKey
from autopack.store import AttemptState, Database, PhaseState, RunState, approvals, runs, tables
from autopack.store.caps import Caps, set_caps
from autopack.store.pauses import Latch, lift_pause, set_pause
from autopack.store.run_events import read_events

KEY = AttemptKey("run-1", "one", 1)
BUILT = runs.Built(
    commit="c" * 40, build_status="succeeded", exit_status=0, summary="", changed_paths=()
)
RUN = Latch("run", "run-1")

CHANGES: list[tuple[str, Any]] = [
    ("run PHASE_EXECUTION", lambda h: h.write(runs.move_run, RunState.PHASE_EXECUTION)),
    ("phase EXECUTING one", lambda h: h.write(runs.move_phase, "one", PhaseState.EXECUTING)),
    (
        "attempt STARTED one 1",
        lambda h: h.write(
            runs.start_attempt, "one", base_commit="b" * 40, builder="script", hint=None
        ),
    ),
    ("attempt BUILT one 1", lambda h: h.write(runs.finish_build, KEY, BUILT)),
    ("decision retry one 1", lambda h: h.write(runs.record_decision, KEY, "retry", "why")),
    (
        "attempt PASSED one 1",
        lambda h: h.write(runs.finish_attempt, KEY, runs.Ended(state=AttemptState.PASSED)),
    ),
    ("phase COMPLETE one", lambda h: h.write(runs.move_phase, "one", PhaseState.COMPLETE)),
    ("question phase two", lambda h: h.write(approvals.ask, "two", "may it?")),
    (
        "answer approved two",
        lambda h: approvals.answer(h.db, "run-1", approvals.Answer(approved=True, by="ada")),
    ),
    ("pause paused", lambda h: set_pause(h.db, RUN, by="ada")),
    ("", lambda h: set_pause(h.db, RUN, by="ada")),  # it was
    ("", lambda h: set_pause(h.db, Latch("all"), by="ada")),  # not of one run
    ("pause lifted", lambda h: lift_pause(h.db, RUN)),
    ("caps changed", lambda h: set_caps(h.db, "run-1", Caps(token_cap=7))),
    ("", lambda h: set_caps(h.db, "run-1", Caps(token_cap=7))),  # the same
    ("", lambda h: h.write(runs.set_head, "d" * 40)),  # nothing that is told
    ("cancel requested", lambda h: runs.request_cancel(h.db, "run-1")),
    ("", lambda h: runs.request_cancel(h.db, "run-1")),  # it was
    ("run DONE_CANCELLED", lambda h: h.write(runs.move_run, RunState.DONE_CANCELLED)),
]


def told(db: Database, after: str | None = None, limit: int = 1000) -> list[str]:
    page = read_events(db, "run-1", after=after, limit=limit)
    return [
        " ".join(str(part) for part in (e.kind, e.state, e.phase_id, e.attempt) if part is not None)
        for e in page.events
    ]


def test_every_change_is_an_event_of_its_own(held: Any) -> None:
    expected = ["run RUN_CREATED"]
    for event, change in CHANGES:
        change(held)
        expected += [event] if event else []
        assert told(held.db) == expected, event
    numbers = [one.number for one in read_events(held.db, "run-1").events]
    assert numbers == list(range(1, len(expected) + 1))


def test_pages_tell_each_event_once(held: Any) -> None:
    for _, change in CHANGES:
        change(held)
    seen, cursor, more = [], None, True
    while more:
        page = read_events(held.db, "run-1", after=cursor, limit=4)
        seen += [one.number for one in page.events]
        cursor, more = page.next, not page.is_last
    assert seen == [one.number for one in read_events(held.db, "run-1").events]
    assert told(held.db, cursor) == []


def test_what_is_rolled_back_did_not_happen(held: Any) -> None:
    def fail(conn: sa.Connection) -> None:
        runs.move_run(conn, held.lease, RunState.PHASE_EXECUTION)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        held.db.transact(fail)
    assert told(held.db) == ["run RUN_CREATED"]


def test_nobody_changes_what_has_happened(held: Any) -> None:
    for statement in ("UPDATE run_events SET state = 'x'", "DELETE FROM run_events"):
        with pytest.raises(DBAPIError, match="append-only"):
            held.db.transact(lambda conn, text=statement: conn.execute(sa.text(text)))


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9", "٣", "1" * 40])
def test_a_cursor_of_nowhere_is_refused(held: Any, cursor: str) -> None:
    with pytest.raises(BadInput, match="cursor"):
        read_events(held.db, "run-1", after=cursor)
    with pytest.raises(NotFound):
        read_events(held.db, "none")


def test_a_reader_by_cursor_misses_nothing_that_is_committed_late(held: Any) -> None:
    """Transactions that overlap: whichever began first, no event appears behind one that was
    read."""
    writers, each = 6, 8
    row = {"run_id": "run-1", "phase_id": "one", "attempt": 0, "reason": ""}

    def write(writer: int) -> None:
        for number in range(each):

            def change(conn: sa.Connection, kind: str = f"{writer}.{number}") -> None:
                values = row | {"kind": kind, "created_at": held.db.now(conn)}
                conn.execute(sa.insert(tables.decisions).values(values))
                if writer % 2:
                    conn.execute(sa.text("SELECT 1"))  # stays open a little longer

            held.db.transact(change)

    seen: list[str] = []
    ended = threading.Event()

    def read() -> None:
        cursor = "1"
        while True:
            was_last = ended.is_set()
            page = read_events(held.db, "run-1", after=cursor, limit=5)
            seen.extend(one.state for one in page.events)
            cursor = page.next
            if was_last and page.is_last:
                return

    with ThreadPoolExecutor(writers + 1) as pool:
        reader = pool.submit(read)
        for one in [pool.submit(write, writer) for writer in range(writers)]:
            one.result()
        ended.set()
        reader.result()
    assert sorted(seen) == sorted(f"{w}.{n}" for w in range(writers) for n in range(each))
