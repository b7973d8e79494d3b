"""What decides about budgets forgets no build that is settled while it is read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from support.usage import usage_event

from autopack.budget import Exhausted, Level, Limits, Reservation, Resource, Scope, room
from autopack.errors import BadInput
from autopack.store import approvals, budgets, runs
from autopack.store.approvals import Answer
from autopack.store.engine import Database
from autopack.store.states import PhaseState
from autopack.store.usage import record_events

HELD = Reservation(60_000, Decimal(6), 10.0)
SPENT = usage_event(run_id="run-1", total_tokens=60_000, cost=Decimal(6))


@pytest.fixture
def engine_name() -> str:
    """PostgreSQL alone, where each statement sees what is committed by then."""
    return "postgresql"


@pytest.fixture
def building(database: Database, new_run: Callable[..., runs.NewRun]) -> Any:
    """A run of a campaign with a cap of 100,000 tokens, of which a build has reserved 60,000."""
    from autopack.store.leases import Holder, acquire

    budgets.set_campaign(database, "all", Limits(tokens=100_000))
    for run_id in ("run-1", "run-2"):
        runs.create_run(database, new_run(run_id=run_id, campaign_id="all"), [("one", "T1")])
    lease = acquire(database, "run-1", Holder.of_this_process(), 45).lease

    def start(conn: sa.Connection) -> None:
        runs.move_phase(conn, lease, "one", PhaseState.EXECUTING)
        runs.start_attempt(conn, lease, "one", base_commit="b", builder="script", hint=None)
        budgets.reserve(conn, "run-1", "one", 1, HELD)

    database.transact(start)
    return lease


def settle(db: Database) -> None:
    def write(conn: sa.Connection) -> None:
        record_events(conn, [SPENT])
        budgets.settle(conn, "run-1", "one", 1)

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

        sa.event.listen(conn, "after_cursor_execute", look)
        try:
            return read(conn)
        finally:
            sa.event.remove(conn, "after_cursor_execute", look)

    return db.transact(reading)


def levels(conn: sa.Connection) -> list[Level]:
    return budgets.levels(conn, "run-1", {"one": Limits(tokens=100_000)})


@pytest.mark.parametrize("after", range(1, 16))
@pytest.mark.parametrize("index", [0, 1, 2], ids=["campaign", "run", "phase"])
def test_no_level_forgets_a_build(
    database: Database, building: Any, after: int, index: int
) -> None:
    level = read_while(database, after, lambda: settle(database), levels)[index]
    assert level.spent.tokens + level.reserved.tokens >= 60_000
    assert level.spent.cost + level.reserved.cost >= 6


@pytest.mark.parametrize("after", range(1, 16))
def test_no_other_run_gets_more_than_the_campaign_has(
    database: Database, building: Any, after: int
) -> None:
    def read(conn: sa.Connection) -> list[Level]:
        budgets.lock_campaign(conn, "run-2")
        return budgets.levels(conn, "run-2", {"one": Limits()})

    found = read_while(database, after, lambda: settle(database), read)
    assert room(found).tokens <= 40_000


def test_of_two_who_raise_a_campaigns_cap_neither_lowers_it(
    database: Database, building: Any
) -> None:
    from autopack.store.leases import Holder, acquire

    full = Exhausted(Scope.CAMPAIGN, "all", Resource.TOKENS, "1", "2")
    second = acquire(database, "run-2", Holder.of_this_process(), 45).lease
    for lease in (building, second):
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
        sa.event.listen(db._engine, "before_cursor_execute", look)
        try:
            approvals.answer(db, "run-2", more(150_000))
        except BadInput as error:
            refused.append(error)
        finally:
            waiting.set()
            db.close()

    other = threading.Thread(target=lower)

    def raise_it(conn: sa.Connection) -> None:
        question = approvals.pending(conn, "run-1")
        assert question is not None
        approvals._raise_cap(conn, question, more(200_000), "all")
        other.start()
        assert waiting.wait(20)

    database.transact(raise_it)
    other.join()
    assert len(refused) == 1
    assert budgets.campaign_level(database, "all").limits.tokens == 200_000
