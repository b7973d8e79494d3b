"""How many runs stand, read from the store."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support.usage import record, usage_event

from autopack.model.states import PhaseState, RunState
from autopack.store import Database, Holder, leases, runs
from autopack.store.approvals import ask
from autopack.views.fleet_standing import Standing, standings


@pytest.fixture
def lease(database: Database, run: runs.RunRow) -> leases.Lease:
    """The run, held and with its first phase under way."""
    lease = leases.acquire(database, run.run_id, Holder.of_this_process(), 45).lease
    database.transact(lambda conn: runs.move_run(conn, lease, RunState.PHASE_EXECUTION))
    database.transact(lambda conn: runs.move_phase(conn, lease, "one", PhaseState.EXECUTING))
    return lease


def standing(database: Database) -> Standing:
    [found] = standings(database, ["nobody", "run-1"])
    return found


def test_a_run_that_has_yet_to_begin(database: Database, run: runs.RunRow) -> None:
    found = standing(database)
    assert (found.state, found.phases, found.completed) == (RunState.RUN_CREATED, 2, 0)
    assert (found.phase, found.since, found.silent_since) == (None, None, None)
    assert (found.tokens, found.cost, found.interrupted) == (0, Decimal(0), False)


def test_a_run_at_work_says_in_which_phase_and_since_when(
    database: Database, lease: leases.Lease
) -> None:
    found = standing(database)
    [one, _] = runs.get_phases(database, "run-1")
    assert (found.phase, found.since) == ("one", one.started_at)
    assert (found.silent_since, found.interrupted) == (None, False)


def test_a_run_whose_holder_fell_silent(database: Database, lease: leases.Lease) -> None:
    leases.renew(database, lease, -1)
    assert standing(database).silent_since is not None


def test_a_run_that_was_given_back(database: Database, lease: leases.Lease) -> None:
    leases.release(database, lease)
    found = standing(database)
    assert (found.interrupted, found.silent_since) == (True, None)


def test_a_run_that_waits_says_what_it_asks(database: Database, lease: leases.Lease) -> None:
    database.transact(lambda conn: ask(conn, lease, "one", "go on?"))
    database.transact(lambda conn: runs.move_run(conn, lease, RunState.AWAITING_APPROVAL))
    found = standing(database)
    assert (found.question, found.phase) == ("go on?", None)
    assert found.since is not None


def test_what_it_spent(database: Database, lease: leases.Lease) -> None:
    cost: dict[str, Any] = {"run_id": "run-1"}
    record(database, usage_event(1, **cost), usage_event(2, **cost))
    found = standing(database)
    assert (found.tokens, found.cost) == (20, None), "a model nobody knows has no price"


def test_the_order_is_the_one_asked_for(database: Database, run: runs.RunRow, new_run: Any) -> None:
    runs.create_run(database, new_run(run_id="a", branch="autopack/a"), [("one", "T1")])
    assert [one.run_id for one in standings(database, ["run-1", "a"])] == ["run-1", "a"]
    assert [one.run_id for one in standings(database, ["a", "run-1"])] == ["a", "run-1"]
