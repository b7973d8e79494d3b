"""What a build may spend: reserved before it starts, watched while it works, settled after it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.attempts import begun
from support.projects import Project, call, make_project

from autopack.clock import SystemClock
from autopack.ledger.budget import budget_tree, reservations
from autopack.model.budget import Reservation
from autopack.model.errors import BadInput
from autopack.model.ids import AttemptKey
from autopack.process.leftovers import find
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.session import RunSession
from autopack.store import approvals, tables
from autopack.store.database.engine import Database
from autopack.store.keys import of_attempt
from autopack.store.runs import find_run, get_attempts, get_decisions
from autopack.views.run_view import run_view

# Prints one call of 100 tokens every second, as claude does, and never ends by itself.
SPENDER = """
import json, sys, time
for number in range(1000):
    usage = {"input_tokens": 90, "output_tokens": 10}
    message = {"id": f"m{number}", "model": "m", "usage": usage}
    for event in ({"type": "message_start", "message": message},
                  {"type": "message_delta", "usage": usage}):
        print(json.dumps({"type": "stream_event", "event": event}), flush=True)
    open("work", "a").write("x")
    time.sleep(1)
"""


@pytest.fixture
async def open_command(
    tmp_path: Path, database: Any, settings: Any, open_run: Callable[[str], RunSession]
) -> Callable[..., Any]:
    """Opens a run whose builder is the program above."""

    async def opening(**budget: Any) -> RunSession:
        project = make_project(tmp_path / "p", {"one": []}, plan={"budget": budget})
        program = tmp_path / "spender.py"
        program.write_text(SPENDER)
        request = RunRequest(
            plan=str(project.plan),
            repo=str(project.repository),
            builder="command",
            builder_options={"template": f"{sys.executable} {program}", "usage": "claude-code"},
            run_id="r",
        )
        prepare_run(request, db=database, settings=settings, clock=SystemClock())
        session = open_run("r")
        session.environment = await prepare_environment(session)
        return session

    return opening


async def test_a_running_agent_is_ended_when_it_has_spent_its_cap(open_command: Any) -> None:
    session = await open_command(tokens=250)
    started = begun(session, "one")
    reserved = run_view(session.db, "r")["budget"]["reserved"]

    await asyncio.wait_for(steps.build(session, started.key), 60)

    (attempt,) = get_attempts(session.db, "r")
    spent = run_view(session.db, "r")["budget"]["spent"]["tokens"]
    assert reserved["tokens"] == 250
    assert 250 <= spent <= 250 + 2 * 100  # the call that passed it, one more under a slow look
    assert "no room for another call" in (attempt.summary or "")
    assert attempt.changed_paths == ("work",)
    assert find(**session.marks) == []
    assert run_view(session.db, "r")["budget"]["reserved"]["tokens"] == 0


def reserved(db: Database, key: AttemptKey) -> Reservation:
    """What was set aside for a build."""
    table = tables.budget_reservations
    with db.read() as conn:
        [row] = conn.execute(sa.select(table).where(of_attempt(table, key)))
    return Reservation(row.tokens, row.cost, row.minutes)


async def test_a_reservation_by_history_grows_while_there_is_room(open_command: Any) -> None:
    session = await open_command(tokens=300)
    started = begun(session, "one")
    small = reserved(session.db, AttemptKey("r", "one", started.attempt))
    session.db.transact(
        lambda conn: reservations.change(
            conn, started.key, type(small)(100, small.cost, small.minutes)
        )
    )

    await asyncio.wait_for(steps.build(session, started.key), 60)

    assert run_view(session.db, "r")["budget"]["spent"]["tokens"] >= 300


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "q", {"one": [[call(10), {"files": {"a": "1"}}]] * 9})


async def test_every_level_agrees_with_the_ledger(
    project: Project, store: Any, open_run: Any, database: Any
) -> None:
    budget_tree.set_campaign(database, "season", budget_tree.Limits(tokens=1000))
    session = open_run(store(project, campaign="season"))
    session.environment = await prepare_environment(session)
    started = begun(session, "one")
    assert run_view(database, "r")["budget"]["reserved"]["tokens"] == 250  # a quarter
    await steps.build(session, started.key)
    tree = run_view(database, "r")["budget"]["tree"]
    assert [node["level"] for node in tree] == ["campaign", "run", "phase", "attempt"]
    assert {node["spent"]["tokens"] for node in tree} == {10}
    assert {node["reserved"]["tokens"] for node in tree} == {0}


async def test_what_another_run_holds_is_waited_for(
    project: Project, tmp_path: Path, store: Any, open_run: Any, database: Any
) -> None:
    budget_tree.set_campaign(database, "season", budget_tree.Limits(tokens=1))
    first = open_run(store(project, "first", campaign="season"))
    second = open_run(store(project, "second", campaign="season"))
    started = begun(first, "one")
    first.environment = await prepare_environment(first)
    deferred = steps.begin(second, "one")
    assert isinstance(deferred, Decision)
    assert (deferred.kind, deferred.idle) == (DecisionKind.DEFER, True)
    steps.begin(second, "one")
    decided = [one for one in get_decisions(database, "second") if one.kind == "defer"]
    assert len(decided) == 1, "a deferral is recorded, once"
    await steps.build(first, started.key)
    stopped = steps.begin(second, "one")
    assert isinstance(stopped, Decision)
    assert (stopped.kind, stopped.reason) == (
        DecisionKind.STOP,
        "campaign season: 10 of 1 tokens are used up",
    )


async def test_instant_calls_pass_a_cap_by_one_of_them(
    tmp_path: Path, store: Any, open_run: Any, database: Any
) -> None:
    calls = [call(100) for _ in range(40)]
    project = make_project(tmp_path / "q", {"one": [calls]}, plan={"budget": {"tokens": 250}})
    session = open_run(store(project))
    session.environment = await prepare_environment(session)
    started = begun(session, "one")

    await steps.build(session, started.key)

    assert run_view(database, "r")["tokens"]["total"] == 300


async def test_runs_that_share_minutes_build_side_by_side(
    project: Project, store: Any, open_run: Any, database: Any
) -> None:
    budget_tree.set_campaign(database, "season", budget_tree.Limits(minutes=40))
    first = open_run(store(project, "first", campaign="season"))
    second = open_run(store(project, "second", campaign="season"))

    held = [reserved(database, begun(run, "one").key) for run in (first, second)]

    assert [round(one.minutes, 1) for one in held] == [10.0, 7.5]


MONEY = {"budget": {"cost": 0.5}}


def unpriced(tmp_path: Path) -> Project:
    builds = [[call(10), {"files": {"a": "1"}}]]
    return make_project(tmp_path / "q", {"one": builds, "two": builds}, plan=MONEY)


def test_money_that_cannot_be_capped_is_refused_before_it_is_spent(
    tmp_path: Path, store: Any, database: Any
) -> None:
    with pytest.raises(BadInput, match="price of m is not known") as refused:
        store(unpriced(tmp_path))

    assert refused.value.field == "budget.cost"
    assert find_run(database, "r") is None


async def test_or_a_person_is_asked_at_the_first_call_without_a_price(
    tmp_path: Path, store: Any, open_run: Any, database: Any
) -> None:
    session = open_run(store(unpriced(tmp_path), at_cap="ask"))
    session.environment = await prepare_environment(session)
    await steps.build(session, begun(session, "one").key)

    asked = steps.begin(session, "two")

    assert isinstance(asked, Decision)
    assert (asked.kind, "no known price" in asked.reason) == (DecisionKind.WAIT, True)
    approvals.answer(database, "r", approvals.Answer(approved=True, by="me"))
    assert not isinstance(steps.begin(session, "two"), Decision)


def test_a_command_without_usage_cannot_keep_a_cap_on_money(
    tmp_path: Path, database: Any, settings: Any
) -> None:
    request = RunRequest(
        plan=str(make_project(tmp_path / "p", {"one": []}, plan=MONEY).plan),
        repo=str(tmp_path / "p" / "repository"),
        builder="command",
        builder_options={"template": "true"},
    )

    with pytest.raises(BadInput, match="tells no tokens"):
        prepare_run(request, db=database, settings=settings, clock=SystemClock())
