"""One attempt at a phase, step by step, on a real repository."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from support.attempts import begun
from support.phases import BROKEN, build, files_in, state_of, write
from support.projects import call, git
from support.runs import conclude

from autopack.ledger.events.usage_events import token_totals
from autopack.model.causes import Failure
from autopack.model.causes import FailureCause as Cause
from autopack.model.errors import LeaseLost
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs import attempt as steps
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.runs.spools.spool import spool_folder
from autopack.store import tables
from autopack.store.leases import Holder, acquire
from autopack.store.runs import get_attempts, get_decisions, get_ending, get_phases


async def test_an_attempt_starts_from_the_base(open_phase: Any) -> None:
    session = await open_phase([write(a="1")])
    started = begun(session, "one")
    assert (started.attempt, started.recorded_build, started.hint) == (1, 1, None)
    assert started.base_commit == session.run().base_commit
    assert state_of(session) == ([AttemptState.STARTED], PhaseState.EXECUTING)


async def test_what_the_builder_left_is_committed_before_it_is_judged(open_phase: Any) -> None:
    session = await open_phase([call(7), write(a="1", **{"README.md": None})], validate=["false"])
    await build(session)

    (attempt,) = get_attempts(session.db, "r", "one")
    assert state_of(session) == ([AttemptState.BUILT], PhaseState.EXECUTING)
    assert attempt.changed_paths == ("README.md", "a")
    assert session.mirror.read_ref("refs/autopack/r/one/1") == attempt.commit
    assert session.mirror.paths(attempt.commit or "") == ("a",)
    totals = token_totals(session.db, "r")
    assert (totals.total, totals.unreconciled_calls) == (7, 0)


async def until_spent(session: RunSession, number: int = 1) -> None:
    """Wait until the build of an attempt has made its first call."""
    spool = spool_folder(session.folder, AttemptKey("r", "one", number))
    async with asyncio.timeout(30):
        while not session.crew.builder_of("one", 0).calls(spool):  # noqa: ASYNC110 - a file is no event
            await asyncio.sleep(0.02)


async def test_a_build_that_was_stopped_is_interrupted_and_counted(open_phase: Any) -> None:
    session = await open_phase([call(7), {"delay": 60}, call(9)])
    task = asyncio.create_task(build(session))
    await until_spent(session)
    session.switch.stop(StopReason.INTERRUPTED, "interrupted")
    with pytest.raises(RunStopped):
        await task
    assert state_of(session) == ([AttemptState.INTERRUPTED], PhaseState.QUEUED)
    assert token_totals(session.db, "r").total == 7


async def test_a_build_whose_caller_is_cancelled_is_interrupted_and_counted(
    open_phase: Any,
) -> None:
    session = await open_phase([call(7), {"delay": 60}])
    task = asyncio.create_task(build(session))
    await until_spent(session)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert state_of(session) == ([AttemptState.INTERRUPTED], PhaseState.QUEUED)
    assert token_totals(session.db, "r").total == 7


async def test_an_interrupted_build_is_asked_for_again_and_told_nothing(open_phase: Any) -> None:
    session = await open_phase([call(7), {"delay": 60}, write(a="1")])
    started = begun(session, "one")
    task = asyncio.create_task(steps.build(session, started.key))
    await until_spent(session)
    task.cancel()
    await asyncio.wait({task})
    again = begun(session, "one")
    assert (again.attempt, again.recorded_build, again.hint) == (2, 1, None)


async def test_who_lost_the_run_leaves_its_attempt_to_the_next_holder(open_phase: Any) -> None:
    session = await open_phase([call(7), write(a="1")])
    started = begun(session, "one")
    session.db.transact(
        lambda conn: conn.execute(
            sa.update(tables.leases).values(expires_at=session.db.now(conn) - timedelta(days=1))
        )
    )
    acquire(session.db, "r", Holder.of_this_process(), 45)
    with pytest.raises(LeaseLost):
        await steps.build(session, started.key)
    assert state_of(session) == ([AttemptState.STARTED], PhaseState.EXECUTING)
    assert token_totals(session.db, "r").total == 0


async def test_an_attempt_that_was_built_before_a_death_is_taken_up_again(open_phase: Any) -> None:
    session = await open_phase([write(a="1")])
    await build(session)
    (session.workspace.path / "stray").write_text("left by whatever came after")
    (session.workspace.path / "a").unlink()

    taken_up = begun(session, "one")

    assert (taken_up.attempt, taken_up.state) == (1, AttemptState.BUILT)
    assert files_in(session) == {"README.md", "a"}


async def test_after_a_failed_check_the_work_is_kept_and_the_failure_told(open_phase: Any) -> None:
    session = await open_phase([write(a="1")], [write(b="1")])
    number = await build(session)
    conclude(session, "one", number, BROKEN)
    second = begun(session, "one")
    assert second.hint is not None
    assert "assert 1 == 2" in second.hint
    assert files_in(session) == {"README.md", "a"}


async def test_after_a_stray_change_the_work_is_thrown_away(open_phase: Any) -> None:
    session = await open_phase([write(a="1")], [write(b="1")])
    number = await build(session)
    conclude(session, "one", number, Failure(Cause.OUT_OF_SCOPE, "outside the scope: a"))
    steps.begin(session, "one")
    assert files_in(session) == {"README.md"}


async def test_a_cap_stops_the_run_before_the_next_build_is_paid_for(open_phase: Any) -> None:
    session = await open_phase(
        [call(60), write(a="1")], [call(60)], plan={"budget": {"tokens": 50}}
    )
    conclude(session, "one", await build(session), None)
    stop = steps.begin(session, "one")
    assert isinstance(stop, Decision)
    assert stop.run_state is RunState.DONE_FAILED_BUDGET_EXHAUSTED
    assert get_ending(session.db, "r") == (stop.run_state, f"one: {stop.reason}")
    assert len(get_attempts(session.db, "r")) == 1


async def test_a_success_completes_the_phase_and_moves_the_branch(open_phase: Any) -> None:
    session = await open_phase([write(a="1")])
    number = await build(session)
    decision = conclude(session, "one", number, None)
    (attempt,) = get_attempts(session.db, "r", "one")
    (phase,) = get_phases(session.db, "r")
    assert decision.kind is DecisionKind.COMPLETE
    assert state_of(session) == ([AttemptState.PASSED], PhaseState.COMPLETE)
    assert phase.commit == session.run().head_commit == attempt.commit
    shown = git(
        session.mirror.git_dir, "log", "-1", "--format=%s%n%(trailers)", attempt.commit or ""
    )
    assert shown.strip().splitlines() == [
        "one: attempt 1",
        "Autopack-Run: r",
        "Autopack-Phase: one",
        "Autopack-Attempt: 1",
    ]


async def test_a_failure_is_recorded_with_its_output_and_tried_again(open_phase: Any) -> None:
    session = await open_phase([write(a="1")])
    decision = conclude(session, "one", await build(session), BROKEN)
    (attempt,) = get_attempts(session.db, "r", "one")
    assert (decision.kind, decision.keep_work) == (DecisionKind.RETRY, True)
    assert attempt.keeps_work is True
    assert state_of(session) == ([AttemptState.FAILED], PhaseState.EXECUTING)
    assert (attempt.failure_cause, attempt.failure_message, attempt.failure_output) == (
        "validation_failed",
        BROKEN.message,
        BROKEN.output,
    )
    assert session.run().head_commit is None


@pytest.mark.parametrize("keeps", [True, False])
async def test_the_next_attempt_starts_where_it_was_decided(open_phase: Any, keeps: bool) -> None:
    """Whatever the cause: the decision is what the next attempt follows."""
    session = await open_phase([write(a="1")], [write(b="1")])
    number, base = await build(session), session.head()
    decision = Decision(DecisionKind.RETRY, "so it was decided", keep_work=keeps)
    steps.conclude(session, AttemptKey("r", "one", number), BROKEN, decision)
    (first,) = get_attempts(session.db, "r", "one")
    await build(session)
    second = get_attempts(session.db, "r", "one")[-1]
    assert second.base_commit == (first.commit if keeps else base)


async def test_the_last_allowed_failure_fails_the_phase_and_ends_the_run(open_phase: Any) -> None:
    session = await open_phase([write(a="1")], budget={"attempts": 1})
    decision = conclude(session, "one", await build(session), BROKEN)
    (phase,) = get_phases(session.db, "r")
    assert decision.kind is DecisionKind.STOP
    assert state_of(session) == ([AttemptState.FAILED], PhaseState.FAILED)
    assert (phase.failure_cause, phase.failure_message) == ("validation_failed", BROKEN.message)
    ending = get_ending(session.db, "r")
    assert ending is not None
    assert ending[0] is RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW


async def test_interrupted_attempts_use_up_none(open_phase: Any) -> None:
    session = await open_phase([call(7), {"delay": 1}, write(a="1")], budget={"attempts": 1})
    for _ in range(3):
        started = begun(session, "one")
        task = asyncio.create_task(steps.build(session, started.key))
        await until_spent(session, started.attempt)
        task.cancel()
        await asyncio.wait({task})
    number = await build(session)
    assert number == 4
    assert conclude(session, "one", number, None).kind is DecisionKind.COMPLETE


async def test_every_decision_is_kept_with_its_attempt(open_phase: Any) -> None:
    session = await open_phase([write(a="1")], [write(a="2")])
    conclude(session, "one", await build(session), BROKEN)
    conclude(session, "one", await build(session), None)
    kept = [(row.attempt, row.kind) for row in get_decisions(session.db, "r")]
    assert kept == [(1, "retry"), (2, "complete")]
