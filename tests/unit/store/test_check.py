"""Contradictions in the database are found, and sound runs are left in peace."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from support.usage import record, usage_event

from autopack.ledger.check import check
from autopack.model.ids import AttemptKey
from autopack.store import AttemptState, PhaseState, RunState, leases, runs, tables


@pytest.fixture
def finished(held):
    """A run that went through everything and was released."""
    held.write(runs.move_run, RunState.PHASE_EXECUTION)
    for phase in ("one", "two"):
        held.write(runs.move_phase, phase, PhaseState.EXECUTING)
        held.write(runs.start_attempt, phase, base_commit="b", builder="s", hint=None)
        held.write(
            runs.finish_build,
            AttemptKey("run-1", phase, 1),
            runs.Built(
                commit="c",
                build_status="succeeded",
                exit_status=0,
                summary=None,
                changed_paths=[],
            ),
        )
        held.write(
            runs.finish_attempt,
            AttemptKey("run-1", phase, 1),
            runs.Ended(state=AttemptState.PASSED),
        )
        held.write(runs.move_phase, phase, PhaseState.COMPLETE, commit="c")
    held.write(runs.move_run, RunState.DONE_SUCCESS)
    leases.release(held.db, held.lease)
    return held.db


def found(db):
    return [(drift.kind, drift.run_id, drift.phase_id) for drift in check(db)]


def change(db, statement):
    db.transact(lambda conn: conn.execute(statement))


def test_a_sound_run_has_no_drift(finished):
    assert check(finished) == []


def test_usage_of_no_known_phase_is_found(finished):
    record(finished, usage_event(run_id="lost"))
    assert found(finished) == [("orphaned_usage", "lost", "one")]


def test_a_complete_phase_without_a_passed_attempt_is_found(finished):
    attempts = tables.attempts
    change(
        finished,
        sa.update(attempts).where(attempts.c.phase_id == "two").values(state=AttemptState.FAILED),
    )
    assert found(finished) == [("complete_without_pass", "run-1", "two")]


def test_an_attempt_of_an_earlier_revision_does_not_complete_a_phase(finished):
    phases = tables.phases
    change(finished, sa.update(phases).where(phases.c.phase_id == "one").values(revision=1))
    assert found(finished) == [("complete_without_pass", "run-1", "one")]


def test_a_phase_that_a_retry_kept_has_no_attempt_of_its_own(finished):
    attempts, retried = tables.attempts, tables.runs
    change(finished, sa.delete(attempts).where(attempts.c.phase_id == "one"))
    assert found(finished) == [("complete_without_pass", "run-1", "one")]
    change(finished, sa.update(retried).values(retry_of="run-0"))
    assert found(finished) == []


def test_a_research_phase_is_complete_by_its_report(finished):
    attempts = tables.attempts
    change(finished, sa.delete(attempts).where(attempts.c.phase_id == "one"))
    report = sa.insert(tables.research_reports).values(
        run_id="run-1", phase_id="one", report={}, created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    change(finished, report)
    assert found(finished) == []


def test_several_open_attempts_of_a_phase_are_found(held):
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    held.write(runs.start_attempt, "one", base_commit="b", builder="s", hint=None)
    columns = [c for c in tables.attempts.columns if c.name != "attempt"]
    again = sa.select(sa.literal(2), *columns)
    change(held.db, sa.insert(tables.attempts).from_select(["attempt", *columns], again))
    assert found(held.db) == [("several_open_attempts", "run-1", "one")]


def test_an_executing_phase_of_a_final_run_is_found(held):
    held.write(runs.move_run, RunState.PHASE_EXECUTION)
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    held.write(runs.move_run, RunState.DONE_CANCELLED)
    leases.release(held.db, held.lease)
    assert found(held.db) == [("executing_in_final_run", "run-1", "one")]


def test_a_lease_on_a_final_run_is_found_until_it_expires(held):
    held.write(runs.move_run, RunState.DONE_CANCELLED)
    assert found(held.db) == [("lease_on_final_run", "run-1", None)]
    leases.release(held.db, held.lease)
    assert check(held.db) == []
