"""One attempt at a phase, step by step, on a real repository."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.attempts import begun
from support.building import made
from support.projects import call, git, make_project
from support.runs import conclude

from autopack.agents.command.agent import CommandBuilder
from autopack.ledger.events.usage_events import token_totals
from autopack.model.causes import Failure
from autopack.model.causes import FailureCause as Cause
from autopack.model.errors import LeaseLost
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.runs.spools.spool import spool_folder
from autopack.store import tables
from autopack.store.leases import Holder, acquire
from autopack.store.runs import get_attempts, get_decisions, get_ending, get_phases

BROKEN = Failure(Cause.VALIDATION_FAILED, "`pytest` exited with 1", "E  assert 1 == 2")
WEIRD_NAME = (
    'diff --git "a/\\377" "b/\\377"\nnew file mode 100644\n'
    '--- /dev/null\n+++ "b/\\377"\n@@ -0,0 +1 @@\n+x\n'
)


def write(**files: str | None) -> dict[str, Any]:
    return {"files": files}


@pytest.fixture
async def open_phase(
    tmp_path: Path, store: Callable[..., str], open_run: Callable[[str], RunSession]
):
    """Opens a run whose one phase has the given builds, its environment prepared."""

    async def opening(*builds: list[dict[str, Any]], plan: Any = None, **phase: Any) -> RunSession:
        project = make_project(tmp_path / "p", {"one": list(builds)}, plan=plan, phase=phase)
        session = open_run(store(project))
        session.environment = await prepare_environment(session)
        return session

    return opening


def state_of(session: RunSession) -> tuple[list[AttemptState], PhaseState]:
    attempts = get_attempts(session.db, "r", "one")
    return [attempt.state for attempt in attempts], get_phases(session.db, "r")[0].state


async def build(session: RunSession) -> int:
    """Start an attempt and have it built; return its number."""
    started = steps.begin(session, "one")
    assert not isinstance(started, Decision)
    await steps.build(session, "one", started.attempt)
    return started.attempt


def files_in(session: RunSession) -> set[str]:
    return {path.name for path in session.workspace.path.iterdir()} - {".git"}


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
    spool = spool_folder(session.folder, "one", number)
    async with asyncio.timeout(30):
        while not session.builder.calls(spool):  # noqa: ASYNC110 - a file is no event
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
    task = asyncio.create_task(steps.build(session, "one", started.attempt))
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
        await steps.build(session, "one", started.attempt)
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


# what the phase asks for, what the builder does, how that is judged
JUDGED = [
    # all is well
    ({}, [write(a="1")], None, ""),
    ({"scope": {"paths": ["src/"]}}, [write(**{"src/a": "1"})], None, ""),
    ({"deliverables": ["a"]}, [write(a="1")], None, ""),
    # nothing changed: the checks say whether anything had to
    ({}, [call(1)], None, ""),
    ({"validate": ["false"]}, [call(1)], Cause.EMPTY_CHANGE, "`false` exited with 1"),
    # nothing changed, and something was to be delivered
    ({"deliverables": ["README.md"]}, [call(1)], Cause.EMPTY_CHANGE, "README.md"),
    # scope
    ({"scope": {"paths": ["src/"]}}, [write(a="1")], Cause.OUT_OF_SCOPE, "a: "),
    (
        {"scope": {"read_only": ["README.md"]}},
        [write(**{"README.md": "x"})],
        Cause.OUT_OF_SCOPE,
        "",
    ),
    ({"scope": {"paths": ["src/"]}}, [write(**{"README.md": None})], Cause.OUT_OF_SCOPE, ""),
    ({"scope": {"paths": ["src/"]}}, [{"patch": WEIRD_NAME}], Cause.OUT_OF_SCOPE, "\\xff"),
    # deliverables
    ({"deliverables": ["b"]}, [write(a="1")], Cause.DELIVERABLE_MISSING, "not delivered: b"),
    (
        {"deliverables": ["README.md"]},
        [write(**{"README.md": None})],
        Cause.DELIVERABLE_MISSING,
        "",
    ),
    # scope comes first, then deliverables, then checks
    (
        {"scope": {"paths": ["src/"]}, "deliverables": ["b"], "validate": ["false"]},
        [write(a="1")],
        Cause.OUT_OF_SCOPE,
        "",
    ),
    (
        {"deliverables": ["b"], "validate": ["false"]},
        [write(a="1")],
        Cause.DELIVERABLE_MISSING,
        "",
    ),
    # checks
    ({"validate": ["true", "false"]}, [write(a="1")], Cause.VALIDATION_FAILED, "`false`"),
    ({"validate": ["no-such-program"]}, [write(a="1")], Cause.ENVIRONMENT, "127"),
    # a missing program of the repository's own is not the machine's fault
    ({"validate": ["./missing"]}, [write(a="1")], Cause.RUNTIME_ERROR, "127"),
    # what the output says
    (
        {"validate": [["sh", "-c", "echo 'E   AssertionError: no'; echo FAILED t.py::a; exit 1"]]},
        [write(a="1")],
        Cause.ASSERTION_FAILURE,
        "",
    ),
    ({"validate": ["python3 a.py"]}, [write(**{"a.py": "x ="})], Cause.SYNTAX_ERROR, ""),
    ({"validate": ["false"]}, [write(a="<<<<<<< ours\n")], Cause.PATCH_CONFLICT, ""),
    (
        {"validate": ["sleep 60"], "budget": {"minutes": 0.02}},
        [write(a="1")],
        Cause.TIMEOUT,
        "did not end in time",
    ),
    # the build itself
    ({"budget": {"minutes": 0.002}}, [{"delay": 60}], Cause.TIMEOUT, "the build ran out of time"),
    (
        {"budget": {"minutes": 0.002}, "validate": ["true"]},
        [write(a="1"), {"delay": 60}],
        None,
        "",
    ),
]


@pytest.mark.parametrize(("phase", "recorded", "cause", "words"), JUDGED)
async def test_an_attempt_is_judged(
    phase: dict[str, Any],
    recorded: list[dict[str, Any]],
    cause: Cause | None,
    words: str,
    open_phase: Any,
) -> None:
    session = await open_phase(recorded, **phase)
    number = await build(session)

    failure = await steps.validate(session, "one", number)

    assert (failure and failure.cause) == cause, failure
    if failure is not None:
        assert words in failure.message
        conclude(session, "one", number, failure)
        assert get_attempts(session.db, "r")[0].failure_cause == failure.cause


async def test_a_name_that_is_not_text_is_kept_as_one_can_read_it(open_phase: Any) -> None:
    session = await open_phase([{"patch": WEIRD_NAME}])
    await build(session)
    assert get_attempts(session.db, "r")[0].changed_paths == ("\\xff",)


async def test_that_a_build_came_to_a_limit_is_kept_whatever_becomes_of_its_work(
    open_phase: Any,
) -> None:
    session = await open_phase([])
    session.builder = made(CommandBuilder, template="touch 1 2 3 4 5 6 7 8 9", max_files="8")
    number = await build(session)

    assert await steps.validate(session, "one", number) is None
    (decision,) = get_decisions(session.db, "r")
    assert (decision.kind, decision.reason) == ("build_failed", "ended: it left more than 8 files")


async def test_a_build_that_falls_silent_ran_out_of_time_and_says_how(open_phase: Any) -> None:
    session = await open_phase([])
    session.builder = made(CommandBuilder, template="sleep 60", stall="0.5")
    number = await build(session)

    failure = await steps.validate(session, "one", number)
    assert failure is not None
    assert failure.cause is Cause.TIMEOUT
    assert failure.message == "the build was silent for 0.5 s and changed nothing"


async def test_a_builder_that_could_not_work_is_to_blame_for_an_empty_change(
    open_phase: Any,
) -> None:
    session = await open_phase([call(1)], deliverables=["a"])
    conclude(session, "one", await build(session), BROKEN)
    # The recording ends here.
    failure = await steps.validate(session, "one", await build(session))
    assert failure is not None
    assert failure.cause is Cause.BUILDER_ERROR
    assert "has 1 builds" in failure.message


async def test_a_check_sees_the_marks_and_not_the_keys(
    open_phase: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    check = 'test "$AUTOPACK_RUN" = r -a "$AUTOPACK_ATTEMPT" = one/1 -a -z "$ANTHROPIC_API_KEY"'
    session = await open_phase([write(a="1")], validate=[["sh", "-c", check]])
    assert await steps.validate(session, "one", await build(session)) is None


async def test_a_run_that_was_stopped_begins_no_check(open_phase: Any) -> None:
    session = await open_phase([write(a="1")], validate=[["sh", "-c", "touch ../ran"]])
    number = await build(session)
    session.switch.stop(StopReason.CANCELLED, "cancelled")
    with pytest.raises(RunStopped):
        await steps.validate(session, "one", number)
    assert not (session.workspace.path.parent / "ran").exists()
    assert state_of(session)[0] == [AttemptState.BUILT]


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
    steps.conclude(session, "one", number, BROKEN, decision)
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
        task = asyncio.create_task(steps.build(session, "one", started.attempt))
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
