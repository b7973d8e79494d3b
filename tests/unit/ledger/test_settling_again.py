"""Calls that come to light after retention: what a build spent is all of it, archived or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from support.new_run import NEW_RUN
from support.usage import record, usage_event

from autopack.ledger.budget import budget_tree, reservations
from autopack.ledger.budget.budget_nodes import attempt_nodes
from autopack.ledger.check import check
from autopack.ledger.retention import retain
from autopack.model.budget import Limits, Reservation
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.store import Database, runs
from autopack.store.intents import (
    close_intent,
)
from autopack.store.leases import Holder, acquire, release
from autopack.store.runs import Ended
from autopack.store.tables import budget_reservations
from autopack.store.tables.rollups import ATTEMPT_NOT_KEPT, usage_archive

OLD = datetime(2020, 1, 1, tzinfo=UTC)
RUN = replace(
    NEW_RUN, run_id="r", branch="autopack/r", token_cap=1_000, cost_cap=Decimal(10), features=()
)


def spend(db: Database, attempt: int, number: int, tokens: int, cost: str, **more: str) -> None:
    key = f"{attempt}-{number}-{more}"
    price = Decimal(cost)
    record(
        db,
        usage_event(
            event_key=key,
            run_id="r",
            attempt=attempt,
            total_tokens=tokens,
            cost=price,
            **more,  # pyright: ignore[reportArgumentType]
        ),
    )


def settle(db: Database, attempt: int) -> None:
    db.transact(lambda conn: reservations.settle(conn, AttemptKey("r", "one", attempt), again=True))


@pytest.fixture
def archived(database: Database) -> Database:
    """A run of two attempts, the second with a doctor's call, that ended long ago."""
    runs.create_run(database, RUN, [("one", "T")])
    lease = acquire(database, "r", Holder.of_this_process(), 45).lease

    def begin(conn: sa.Connection, attempt: int) -> None:
        if attempt == 1:
            runs.move_run(conn, lease, RunState.PHASE_EXECUTION)
            runs.move_phase(conn, lease, "one", PhaseState.EXECUTING)
        runs.start_attempt(conn, lease, "one", base_commit="b", builder="script", hint=None)
        reservations.reserve(
            conn, AttemptKey("r", "one", attempt), Reservation(500, Decimal(5), 1.0)
        )

    for attempt, tokens, cost in ((1, 100, "0.1"), (2, 30, "0.03")):
        database.transact(lambda conn, attempt=attempt: begin(conn, attempt))
        spend(database, attempt, 0, tokens, cost)
        settle(database, attempt)
        database.transact(
            lambda conn, attempt=attempt: close_intent(conn, AttemptKey("r", "one", attempt))
        )
        database.transact(
            lambda conn, attempt=attempt: runs.finish_attempt(
                conn,
                lease,
                AttemptKey("r", "one", attempt),
                Ended(state=AttemptState.INTERRUPTED),
            )
        )
    spend(database, 2, 1, 9, "0.5", role="doctor")

    def end(conn: sa.Connection) -> None:
        runs.move_phase(conn, lease, "one", PhaseState.QUEUED)
        runs.move_run(conn, lease, RunState.DONE_FAILED_ENVIRONMENT)
        conn.execute(sa.text("UPDATE runs SET finished_at = '2020-01-01 00:00:00+00:00'"))

    database.transact(end)
    release(database, lease)
    assert retain(database, timedelta(days=90)).events == 3
    return database


def spent(db: Database) -> dict[int, tuple[int, Decimal]]:
    table = budget_reservations
    with db.read() as conn:
        rows = conn.execute(sa.select(table).where(table.c.role == "builder"))
        return {row.attempt: (row.spent_tokens, row.spent_cost) for row in rows}


def shown(db: Database) -> dict[int, tuple[int | None, Decimal | None]]:
    with db.read() as conn:
        nodes = attempt_nodes(conn, "r")
    return {node.attempt: (node.spent.told, node.spent.whole_cost) for node in nodes}


def in_all(db: Database) -> tuple[int, Decimal, int]:
    run = budget_tree.levels(db, "r", {"one": Limits()})[0]
    return run.spent.tokens, run.spent.cost, run.reserved.tokens


FIRST, SECOND = (100, Decimal("0.1")), (30, Decimal("0.03"))


def test_settling_again_changes_nothing_that_was_archived(archived: Database) -> None:
    for attempt in (1, 2, 1):
        settle(archived, attempt)
    assert spent(archived) == {1: FIRST, 2: SECOND}
    assert in_all(archived) == (139, Decimal("0.63"), 0)
    assert shown(archived) == {1: FIRST, 2: (39, Decimal("0.53"))}


def test_what_comes_late_is_added_to_what_was_archived(archived: Database) -> None:
    spend(archived, 1, 7, 20, "0.02")
    spend(archived, 1, 0, 100, "0.1")  # archived before: known
    settle(archived, 1)
    assert spent(archived) == {1: (120, Decimal("0.12")), 2: SECOND}
    retain(archived, timedelta(days=90))
    settle(archived, 1)
    assert spent(archived) == {1: (120, Decimal("0.12")), 2: SECOND}
    assert in_all(archived) == (159, Decimal("0.65"), 0)
    assert shown(archived)[1] == (120, Decimal("0.12"))
    assert check(archived) == []


def as_before(db: Database, *, told: bool) -> None:
    """What a database has that archived before attempts were told apart, and was upgraded."""

    def write(conn: sa.Connection) -> None:
        rows = [dict(row) for row in conn.execute(sa.select(usage_archive)).mappings()]
        conn.execute(sa.delete(usage_archive))
        for row in rows:
            # Told apart by their days here: only their sum matters.
            day = row["day"].replace(day=row["attempt"])
            row |= {"attempt": ATTEMPT_NOT_KEPT, "day": day}
            conn.execute(sa.insert(usage_archive).values(row))
        if told:
            for attempt, (tokens, cost) in ((1, FIRST), (2, SECOND)):
                conn.execute(
                    sa.update(budget_reservations)
                    .where(budget_reservations.c.attempt == attempt)
                    .values(archived_tokens=tokens, archived_cost=cost)
                )

    db.transact(write)


def test_an_archive_without_attempts_leaves_what_was_settled(archived: Database) -> None:
    as_before(archived, told=True)
    spend(archived, 1, 7, 20, "0.02")
    for attempt in (1, 2, 1):
        settle(archived, attempt)
    assert spent(archived) == {1: (120, Decimal("0.12")), 2: SECOND}
    # Whose the doctor's call was, is not known any more.
    assert shown(archived) == {1: (120, None), 2: (30, None)}


def test_what_no_archive_tells_is_unknown_and_not_nothing(archived: Database) -> None:
    as_before(archived, told=False)
    assert shown(archived) == {1: (None, None), 2: (None, None)}
