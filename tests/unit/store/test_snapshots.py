"""What decides about budgets forgets no build that is settled while it is read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from support.usage import usage_event

from autopack.ledger.budget import budget_tree, reservations
from autopack.ledger.events.usage_events import record_events
from autopack.model.budget import (
    Exhausted,
    Level,
    Limits,
    Reservation,
    Resource,
    Scope,
    room,
)
from autopack.model.errors import BadInput
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState
from autopack.store import approvals, runs
from autopack.store.approvals import Answer
from autopack.store.database.engine import Database
from autopack.store.leases import Holder, Lease, acquire

HELD = Reservation(60_000, Decimal(6), 10.0)
STATEMENTS = range(1, 16)
"""After each of so many the build is settled; there are fewer in what is read."""


@pytest.fixture
def engine_name() -> str:
    """PostgreSQL alone, where each statement sees what is committed by then."""
    return "postgresql"


def build(db: Database, new_run: Callable[..., runs.NewRun], number: int) -> Lease:
    """A run of a campaign with a cap of 100,000 tokens, of which a build has reserved 60,000."""
    campaign, ids = f"c{number}", (f"run-{number}", f"other-{number}")
    budget_tree.set_campaign(db, campaign, Limits(tokens=100_000))
    for run_id in ids:
        runs.create_run(db, new_run(run_id=run_id, campaign_id=campaign), [("one", "T1")])
    lease = acquire(db, ids[0], Holder.of_this_process(), 45).lease

    def start(conn: sa.Connection) -> None:
        runs.move_phase(conn, lease, "one", PhaseState.EXECUTING)
        runs.start_attempt(conn, lease, "one", base_commit="b", builder="script", hint=None)
        reservations.reserve(conn, AttemptKey(ids[0], "one", 1), HELD)

    db.transact(start)
    return lease


def settle(db: Database, run_id: str) -> None:
    def write(conn: sa.Connection) -> None:
        record_events(conn, [usage_event(run_id=run_id, total_tokens=60_000, cost=Decimal(6))])
        reservations.settle(conn, AttemptKey(run_id, "one", 1))

    db.transact(write)


def read_while(
    db: Database, after: int, meanwhile: Callable[[], None], read: Callable[[sa.Connection], Any]
) -> Any:
    """What ``read`` finds when ``meanwhile`` is done by another thread after so many statements."""

    def reading(conn: sa.Connection) -> Any:
        count = 0

        def look(*_: Any) -> None:
            nonlocal count
            count += 1
            if count == after:
                thread = threading.Thread(target=meanwhile)
                thread.start()
                thread.join()

        event.listen(conn, "after_cursor_execute", look)
        try:
            return read(conn)
        finally:
            event.remove(conn, "after_cursor_execute", look)

    return db.transact(reading)


def test_no_level_forgets_a_build(database: Database, new_run: Callable[..., runs.NewRun]) -> None:
    for after in STATEMENTS:
        build(database, new_run, after)
        run_id = f"run-{after}"
        found: list[Level] = read_while(
            database,
            after,
            partial(settle, database, run_id),
            lambda conn, run_id=run_id: budget_tree.levels(conn, run_id, {"one": Limits()}),
        )
        for level in found:
            assert level.spent.tokens + level.reserved.tokens >= 60_000, (after, level.scope)
            assert level.spent.cost + level.reserved.cost >= 6, (after, level.scope)


def test_no_other_run_gets_more_than_the_campaign_has(
    database: Database, new_run: Callable[..., runs.NewRun]
) -> None:
    for after in STATEMENTS:
        build(database, new_run, after)

        def read(conn: sa.Connection, other: str = f"other-{after}") -> list[Level]:
            reservations.lock_campaign(conn, other)
            return budget_tree.levels(conn, other, {"one": Limits()})

        meanwhile = partial(settle, database, f"run-{after}")
        found: list[Level] = read_while(database, after, meanwhile, read)
        assert room(found).tokens <= 40_000, after


def test_of_two_who_raise_a_campaigns_cap_neither_lowers_it(
    database: Database, new_run: Callable[..., runs.NewRun]
) -> None:
    full = Exhausted(Scope.CAMPAIGN, "c1", Resource.TOKENS, "1", "2")
    first = build(database, new_run, 1)
    second = acquire(database, "other-1", Holder.of_this_process(), 45).lease
    for lease in (first, second):
        database.transact(
            lambda conn, lease=lease: approvals.ask(conn, lease, "one", "more?", exhausted=full)
        )

    def more(cap: int) -> Answer:
        return Answer(True, "me", new_cap=Decimal(cap), resource=Resource.TOKENS)

    waiting = threading.Event()
    refused: list[BadInput] = []

    def lower() -> None:
        def look(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "FOR UPDATE" in statement:
                waiting.set()

        db = Database.open(database._url.render_as_string(hide_password=False))
        event.listen(db._engine, "before_cursor_execute", look)
        try:
            approvals.answer(db, "other-1", more(150_000))
        except BadInput as error:
            refused.append(error)
        finally:
            waiting.set()
            db.close()

    other = threading.Thread(target=lower)

    def raise_it(conn: sa.Connection) -> None:
        question = approvals.pending(conn, "run-1")
        assert question is not None
        approvals._raise_cap(conn, question, more(200_000), runs.get_run(conn, "run-1"))
        other.start()
        assert waiting.wait(20)

    database.transact(raise_it)
    other.join()
    assert len(refused) == 1
    assert budget_tree.campaign_level(database, "c1").limits.tokens == 200_000
