"""Runs and phases: stored once, listed, and moved only as the transition table allows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from autopack.clock import ManualClock
from autopack.model.errors import (
    BadInput,
    IllegalTransition,
    LeaseLost,
    NotFound,
    Refused,
)
from autopack.model.ids import AttemptKey
from autopack.store import PhaseState, RunState, leases, runs


def phase(db, phase_id="one"):
    return next(p for p in runs.get_phases(db, "run-1") if p.phase_id == phase_id)


def test_a_run_is_stored_as_it_was_asked_for(database, new_run):
    stored = runs.create_run(database, new_run(), [("b", "T1"), ("a", "T2")])
    assert stored == runs.get_run(database, "run-1")
    for name in (
        "goal",
        "repo",
        "builder_options",
        "models",
        "features",
        "cost_cap",
        "minutes_cap",
    ):
        assert getattr(stored, name) == getattr(new_run(), name)
    assert stored.state is RunState.RUN_CREATED
    assert stored.created_at.tzinfo is UTC
    assert [(p.phase_id, p.tier) for p in runs.get_phases(database, "run-1")] == [
        ("b", "T1"),
        ("a", "T2"),
    ]
    assert runs.get_plan_body(database, stored.plan_hash) == new_run().plan_body


def test_asking_again_for_the_same_run_returns_the_stored_one(database, run, new_run):
    assert runs.create_run(database, new_run(goal="other words"), [("x", "T1")]) == run
    assert len(runs.get_phases(database, "run-1")) == 2


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"plan_hash": "c" * 64}, "plan"),
        ({"repo": "/another"}, "repository"),
        ({"base_commit": "c" * 40}, "base commit"),
    ],
)
def test_a_run_id_in_use_is_refused(database, run, new_run, changes, what):
    with pytest.raises(BadInput, match=f"belongs to another {what}") as refused:
        runs.create_run(database, new_run(**changes), [])
    assert refused.value.field == "run_id"


def test_a_run_is_stored_with_what_belongs_to_it_or_not_at_all(database, new_run):
    def fail(conn):
        assert runs.get_run(conn, "run-1").run_id == "run-1"
        raise BadInput("the process ends here")

    with pytest.raises(BadInput, match="ends here"):
        runs.create_run(database, new_run(), [("a", "T1")], also=fail)
    with pytest.raises(NotFound):
        runs.get_run(database, "run-1")
    assert runs.create_run(database, new_run(), [("a", "T1")], also=lambda _: None)


def test_runs_of_one_plan_share_it(database, run, new_run):
    assert runs.create_run(database, new_run(run_id="run-2"), []).plan_hash == run.plan_hash


def test_unknown_runs_and_plans_are_not_found(database):
    with pytest.raises(NotFound, match="no run 'x'"):
        runs.get_run(database, "x")
    with pytest.raises(NotFound, match="no plan 'x'"):
        runs.get_plan_body(database, "x")
    assert runs.get_phases(database, "x") == []


def test_reads_work_inside_a_transaction(held):
    def move_and_read(conn, lease):
        runs.move_run(conn, lease, RunState.PHASE_EXECUTION)
        return runs.get_run(conn, "run-1").state

    assert held.write(move_and_read) is RunState.PHASE_EXECUTION
    assert runs.get_run(held.db, "run-1").state is RunState.PHASE_EXECUTION


def test_a_run_remembers_when_it_first_started_and_when_it_ended(held):
    held.write(runs.move_run, RunState.PHASE_EXECUTION)
    started = runs.get_run(held.db, "run-1").started_at
    held.write(runs.move_run, RunState.AWAITING_APPROVAL, reason="phase one asks")
    assert runs.get_run(held.db, "run-1").failure_reason == "phase one asks"
    held.write(runs.move_run, RunState.PHASE_EXECUTION)
    held.write(runs.move_run, RunState.DONE_SUCCESS)
    run = runs.get_run(held.db, "run-1")
    assert run.started_at == started
    assert run.finished_at > started  # pyright: ignore[reportOperatorIssue]
    assert run.failure_reason is None


def test_a_final_run_stays_final(held):
    held.write(runs.move_run, RunState.DONE_CANCELLED)
    with pytest.raises(IllegalTransition, match="PHASE_EXECUTION may not follow DONE_CANCELLED"):
        held.write(runs.move_run, RunState.PHASE_EXECUTION)


def test_progress_of_a_run_is_recorded(held):
    held.write(runs.set_head, "c" * 40)
    held.write(runs.set_flow_run, "flow-1")
    held.write(runs.add_elapsed, 1.5)
    held.write(runs.add_elapsed, 2.0)
    run = runs.get_run(held.db, "run-1")
    assert (run.head_commit, run.flow_run_id, run.elapsed_seconds) == ("c" * 40, "flow-1", 3.5)


def test_every_write_of_a_lost_lease_is_refused(held):
    stale = replace(held, lease=replace(held.lease, token=held.lease.token - 1))
    for write, *args in (
        (runs.move_run, RunState.PHASE_EXECUTION),
        (runs.set_head, "c"),
        (runs.set_flow_run, "f"),
        (runs.add_elapsed, 1.0),
        (runs.move_phase, "one", PhaseState.EXECUTING),
        (runs.record_decision, AttemptKey("run-1", "one", 1), "retry", "because"),
    ):
        with pytest.raises(LeaseLost):
            stale.write(write, *args)


def test_a_phase_that_completes_has_its_commit_and_its_times(held):
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    held.write(runs.move_phase, "one", PhaseState.COMPLETE, commit="c" * 40)
    done = phase(held.db)
    assert (done.state, done.commit, done.revision) == (PhaseState.COMPLETE, "c" * 40, 0)
    assert done.started_at < done.finished_at  # pyright: ignore[reportOperatorIssue]


def test_a_phase_that_failed_has_its_failure(held):
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    why = runs.PhaseFailure("tests", "a\x00b")
    held.write(runs.move_phase, "one", PhaseState.FAILED, failure=why)
    assert (phase(held.db).failure_cause, phase(held.db).failure_message) == ("tests", "a\ufffdb")


def test_only_a_rollback_queues_a_phase_that_ended(held):
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    held.write(runs.move_phase, "one", PhaseState.COMPLETE, commit="c" * 40)
    with pytest.raises(IllegalTransition):
        held.write(runs.move_phase, "one", PhaseState.QUEUED)
    held.write(runs.move_phase, "one", PhaseState.QUEUED, allowing="rollback")
    queued = phase(held.db)
    assert (queued.state, queued.revision) == (PhaseState.QUEUED, 1)
    assert (queued.commit, queued.finished_at) == (None, None)


def test_an_interrupted_phase_is_queued_in_the_same_revision(held):
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    held.write(runs.move_phase, "one", PhaseState.QUEUED)
    assert phase(held.db).revision == 0


def test_an_unknown_phase_is_not_found(held):
    with pytest.raises(NotFound, match="no phase 'three'"):
        held.write(runs.move_phase, "three", PhaseState.EXECUTING)


def test_a_cancel_request_keeps_its_first_time(database, run):
    runs.request_cancel(database, "run-1")
    first = runs.get_run(database, "run-1").cancel_requested_at
    runs.request_cancel(database, "run-1")
    assert runs.get_run(database, "run-1").cancel_requested_at == first is not None


def test_a_run_that_ended_cannot_be_cancelled(held):
    held.write(runs.move_run, RunState.DONE_CANCELLED)
    with pytest.raises(Refused, match="has ended: DONE_CANCELLED"):
        runs.request_cancel(held.db, "run-1")
    with pytest.raises(NotFound):
        runs.request_cancel(held.db, "x")


def test_decisions_keep_their_order(held):
    held.write(runs.record_decision, AttemptKey("run-1", "two", 1), "retry", "first")
    held.write(runs.record_decision, AttemptKey("run-1", "one", 2), "stop", "second")
    decisions = runs.get_decisions(held.db, "run-1")
    assert [(d.phase_id, d.attempt, d.kind, d.reason) for d in decisions] == [
        ("two", 1, "retry", "first"),
        ("one", 2, "stop", "second"),
    ]


def test_a_run_ends_where_the_last_decision_to_stop_said(held):
    assert runs.get_ending(held.db, "run-1") is None
    held.write(runs.record_decision, AttemptKey("run-1", "one", 1), "retry", "once more")
    assert runs.get_ending(held.db, "run-1") is None
    ending = RunState.DONE_FAILED_POLICY_VIOLATION
    held.write(
        runs.record_decision,
        AttemptKey("run-1", "one", 2),
        "stop",
        "out of scope",
        run_state=ending,
    )
    assert runs.get_ending(held.db, "run-1") == (ending, "one: out of scope")


def test_a_run_is_found_by_its_flow_run(held):
    held.write(runs.set_flow_run, "flow-1")
    assert runs.run_of_flow(held.db, "flow-1") == runs.get_run(held.db, "run-1")
    assert runs.run_of_flow(held.db, "flow-2") is None


def test_toolchains_are_unknown_until_they_are_recorded(held):
    assert runs.get_run(held.db, "run-1").toolchains is None
    held.write(runs.set_toolchains, [{"name": "python"}])
    assert list(runs.get_run(held.db, "run-1").toolchains) == [{"name": "python"}]  # pyright: ignore[reportArgumentType]


@pytest.fixture
def five_runs(database, new_run):
    """Five runs, oldest first; the second failed."""
    created = [
        runs.create_run(database, new_run(run_id=f"run-{i}"), []).run_id for i in range(1, 6)
    ]
    lease = leases.acquire(database, "run-2", leases.Holder.of_this_process(), 45).lease
    for state in (RunState.PHASE_EXECUTION, RunState.DONE_FAILED_ENVIRONMENT):
        database.transact(lambda conn, state=state: runs.move_run(conn, lease, state))
    return created


def test_runs_are_listed_newest_first_in_pages(database, five_runs):
    pages, after = [], None
    while True:
        page = runs.list_runs(database, limit=2, after=after)
        pages.append([run.run_id for run in page.rows])
        after = page.next_cursor
        if after is None:
            break
    assert pages == [["run-5", "run-4"], ["run-3", "run-2"], ["run-1"]]


def test_a_full_last_page_has_no_next_one(database, five_runs):
    assert runs.list_runs(database, limit=5).next_cursor is None


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("FAILED", ["run-2"]),  # any DONE_FAILED_*
        ("DONE_FAILED_ENVIRONMENT", ["run-2"]),
        ("DONE_SUCCESS", []),
        (RunState.RUN_CREATED, ["run-5", "run-4", "run-3", "run-1"]),
    ],
)
def test_runs_are_listed_by_state(database, five_runs, state, found):
    assert [run.run_id for run in runs.list_runs(database, state=state).rows] == found


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_runs_of_one_moment_are_all_listed(open_database, new_run):
    db = open_database(clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    for i in range(3):
        runs.create_run(db, new_run(run_id=f"run-{i}"), [])
    first = runs.list_runs(db, limit=2)
    rest = runs.list_runs(db, limit=2, after=first.next_cursor)
    assert [r.run_id for r in (*first.rows, *rest.rows)] == ["run-2", "run-1", "run-0"]
    assert first.rows[0].created_at - rest.rows[0].created_at == timedelta(0)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 10_001}, "limit"),
        ({"after": "nonsense"}, "after"),
        ({"after": "ä"}, "after"),
        ({"after": "MjAyNi0wMS0wMSBydW4="}, "after"),  # a time without a zone
        ({"state": "BROKEN"}, "state"),
    ],
)
def test_a_listing_names_the_argument_it_cannot_use(database, arguments, field):
    with pytest.raises(BadInput) as refused:
        runs.list_runs(database, **arguments)
    assert refused.value.field == field
