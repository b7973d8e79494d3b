"""Attempts: numbered once, built once, ended once."""

from dataclasses import replace

import pytest

from autopack.ledger.events import usage_events
from autopack.model.errors import IllegalTransition, LeaseLost, NotFound
from autopack.model.ids import AttemptKey
from autopack.store import AttemptState, PhaseState, runs

PASSED, FAILED, INTERRUPTED = AttemptState.PASSED, AttemptState.FAILED, AttemptState.INTERRUPTED


@pytest.fixture
def executing(held):
    """A held run whose phase `one` is executing."""
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    return held


def start(held, hint=None):
    return held.write(runs.start_attempt, "one", base_commit="b" * 40, builder="script", hint=hint)


def build(held, attempt, paths=("a.py",)):
    held.write(
        runs.finish_build,
        AttemptKey("run-1", "one", attempt),
        runs.Built(
            commit="c" * 40,
            build_status="succeeded",
            exit_status=0,
            summary="did it",
            changed_paths=paths,
        ),
    )


def test_the_first_attempt_is_number_one(executing):
    attempt = start(executing, hint="try harder")
    assert (attempt.attempt, attempt.recorded_build, attempt.revision) == (1, 1, 0)
    assert (attempt.state, attempt.hint) == (AttemptState.STARTED, "try harder")
    assert runs.get_attempts(executing.db, "run-1") == [attempt]


def test_starting_opens_the_intent_of_a_call(executing):
    start(executing)
    assert usage_events.token_totals(executing.db, "run-1").unreconciled_calls == 1


def test_a_build_is_kept_as_it_ended(executing):
    start(executing)
    build(executing, 1, paths=["a.py", "b\x00\udcff.py"])
    (built,) = runs.get_attempts(executing.db, "run-1", "one")
    assert (built.state, built.commit, built.exit_status) == (AttemptState.BUILT, "c" * 40, 0)
    assert (built.build_status, built.summary) == ("succeeded", "did it")
    assert built.changed_paths == ("a.py", "b\x00\udcff.py")
    assert built.started_at < built.built_at  # pyright: ignore[reportOperatorIssue]
    assert built.finished_at is None


def test_a_failed_attempt_keeps_its_real_output(executing):
    start(executing)
    build(executing, 1)
    executing.write(
        runs.finish_attempt,
        AttemptKey("run-1", "one", 1),
        runs.Ended(
            state=FAILED,
            failure_cause="tests",
            failure_message="2 failed",
            failure_output="raw \x00 \udcff bytes",
        ),
    )
    (failed,) = runs.get_attempts(executing.db, "run-1")
    assert (failed.state, failed.failure_cause, failed.failure_message) == (
        FAILED,
        "tests",
        "2 failed",
    )
    assert failed.failure_output == "raw \ufffd ? bytes"
    assert failed.finished_at > failed.built_at  # pyright: ignore[reportOperatorIssue]


def test_numbers_only_rise_and_builds_count_only_those_that_ended(executing):
    start(executing)
    executing.write(
        runs.finish_attempt, AttemptKey("run-1", "one", 1), runs.Ended(state=INTERRUPTED)
    )  # no build ended
    start(executing)
    build(executing, 2)
    executing.write(runs.finish_attempt, AttemptKey("run-1", "one", 2), runs.Ended(state=FAILED))
    third = start(executing)
    assert (third.attempt, third.recorded_build) == (3, 2)


def test_an_attempt_carries_the_revision_of_its_phase(executing):
    executing.write(runs.move_phase, "one", PhaseState.QUEUED, allowing="rollback")
    executing.write(runs.move_phase, "one", PhaseState.EXECUTING)
    assert start(executing).revision == 1


def test_a_second_attempt_waits_for_the_first(executing):
    start(executing)
    with pytest.raises(IllegalTransition, match="attempt 1 of one is still STARTED"):
        start(executing)


def test_only_an_executing_phase_is_attempted(held):
    with pytest.raises(IllegalTransition, match="phase one is QUEUED"):
        start(held)


def test_a_built_attempt_is_never_interrupted(executing):
    start(executing)
    build(executing, 1)
    with pytest.raises(IllegalTransition, match="INTERRUPTED may not follow BUILT"):
        executing.write(
            runs.finish_attempt, AttemptKey("run-1", "one", 1), runs.Ended(state=INTERRUPTED)
        )


@pytest.mark.parametrize("state", [AttemptState.STARTED, AttemptState.BUILT])
def test_an_open_state_ends_nothing(executing, state):
    start(executing)
    with pytest.raises(IllegalTransition, match="no way to end"):
        executing.write(runs.finish_attempt, AttemptKey("run-1", "one", 1), runs.Ended(state=state))


def test_an_unknown_attempt_or_phase_is_not_found(executing):
    with pytest.raises(NotFound, match="there is no attempt run-1/one/7"):
        executing.write(
            runs.finish_attempt, AttemptKey("run-1", "one", 7), runs.Ended(state=FAILED)
        )
    with pytest.raises(NotFound, match="no phase 'x'"):
        executing.write(runs.start_attempt, "x", base_commit="b", builder="s", hint=None)


def test_attempts_come_in_the_order_of_the_plan(held):
    for phase in ("two", "one"):
        held.write(runs.move_phase, phase, PhaseState.EXECUTING)
        held.write(runs.start_attempt, phase, base_commit="b", builder="s", hint=None)
    assert [a.phase_id for a in runs.get_attempts(held.db, "run-1")] == ["one", "two"]


def test_a_lost_lease_writes_no_attempt(executing):
    start(executing)
    stale = replace(executing, lease=replace(executing.lease, token=99))
    with pytest.raises(LeaseLost):
        build(stale, 1)
    with pytest.raises(LeaseLost):
        stale.write(runs.finish_attempt, AttemptKey("run-1", "one", 1), runs.Ended(state=FAILED))
    with pytest.raises(LeaseLost):
        start(stale)
