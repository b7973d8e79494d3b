"""Writes of runs and phases; also the face of everything else about them.

Every write of state is fenced: it raises LeaseLost once another process has taken the run over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from autopack.model.errors import BadInput, NotFound, Refused
from autopack.model.states import PhaseState, RunState, check_transition
from autopack.store import tables
from autopack.store.attempts import finish_attempt, finish_build, record_decision, start_attempt
from autopack.store.database.engine import Database, insert_new, now
from autopack.store.keys import named_phase, phase_named
from autopack.store.leases import Holder, Lease, fence, intend
from autopack.store.reading import (
    find_run,
    get_attempts,
    get_decisions,
    get_ending,
    get_phases,
    get_plan_body,
    get_run,
    list_runs,
    run_of_flow,
)
from autopack.store.rows import (
    AttemptRow,
    Built,
    DecisionRow,
    Ended,
    Findings,
    NewRun,
    Page,
    PhaseFailure,
    PhaseRow,
    RunRow,
)

__all__ = [
    "AttemptRow",
    "Built",
    "DecisionRow",
    "Ended",
    "Findings",
    "NewRun",
    "Page",
    "PhaseFailure",
    "PhaseRow",
    "RunRow",
    "add_elapsed",
    "count_recovery",
    "create_run",
    "find_run",
    "finish_attempt",
    "finish_build",
    "get_attempts",
    "get_decisions",
    "get_ending",
    "get_phases",
    "get_plan_body",
    "get_run",
    "list_runs",
    "move_phase",
    "move_run",
    "note_recovery_try",
    "record_decision",
    "request_cancel",
    "run_of_flow",
    "set_final_check",
    "set_flow_run",
    "set_head",
    "set_pull_request",
    "set_push_error",
    "set_setup_notes",
    "set_toolchains",
    "start_attempt",
]

_PHASE = sa.select(tables.phases).where(named_phase(tables.phases))
_CHANGE_PHASE = sa.update(tables.phases).where(named_phase(tables.phases))


def create_run(
    db: Database,
    new: NewRun,
    phases: Sequence[tuple[str, str]],
    *,
    starter: Holder | None = None,
    seconds: float = 0.0,
    also: Callable[[sa.Connection], None] | None = None,
) -> RunRow:
    """Store a run with its plan and its phases, given as ``(phase_id, tier)`` in plan order.

    ``starter`` is the process that sees to it that the run is taken, for ``seconds`` where others
    cannot tell whether it lives: if it crashes before, the run counts as abandoned.
    A run of that id that has the same plan, repository and base commit is returned as it is
    stored, so that asking twice is harmless; any other raises BadInput naming ``run_id``.
    ``also`` writes what belongs to the run, or to neither.
    """

    def create(conn: sa.Connection) -> RunRow:
        run = insert(conn)
        if also is not None:
            also(conn)
        return run

    def insert(conn: sa.Connection) -> RunRow:
        created_at = now(conn)
        conn.execute(
            insert_new(conn, tables.plans).values(
                plan_hash=new.plan_hash, body=dict(new.plan_body), created_at=created_at
            )
        )
        inserted = conn.execute(
            insert_new(conn, tables.runs)
            .values(**_columns(new), created_at=created_at, database_id=db.identity)
            .returning(tables.runs.c.run_id)
        ).first()
        if inserted is None:
            return _same(get_run(conn, new.run_id), new)
        if phases:
            conn.execute(
                sa.insert(tables.phases),
                [
                    {
                        "run_id": new.run_id,
                        "phase_id": phase_id,
                        "ordinal": ordinal,
                        "tier": tier,
                        **_first_state(new, phase_id, created_at),
                    }
                    for ordinal, (phase_id, tier) in enumerate(phases)
                ],
            )
        if starter is not None:
            intend(conn, new.run_id, starter, seconds)
        return get_run(conn, new.run_id)

    return db.transact(create)


def _first_state(new: NewRun, phase_id: str, at: datetime) -> dict[str, Any]:
    """A phase is queued, unless it was completed in the run that this one retries."""
    commit = new.retry.kept.get(phase_id) if new.retry else None
    if commit is None:
        return {"state": PhaseState.QUEUED, "commit": None, "finished_at": None}
    return {"state": PhaseState.COMPLETE, "commit": commit, "finished_at": at}


def _columns(new: NewRun) -> dict[str, Any]:
    return {
        "run_id": new.run_id,
        "plan_hash": new.plan_hash,
        "goal": new.goal,
        "repo": new.repo,
        "base_commit": new.base_commit,
        "branch": new.branch,
        "builder": new.builder,
        "builder_options": dict(new.builder_options),
        "model": new.model,
        "models": dict(new.models),
        "features": list(new.features),
        "token_cap": new.token_cap,
        "cost_cap": new.cost_cap,
        "minutes_cap": new.minutes_cap,
        "at_cap": new.at_cap,
        "campaign_id": new.campaign_id,
        "push": new.push,
        "pr": new.pr,
        "prompt": new.prompt,
        "replay_of": new.replay_of,
        "lane": new.lane,
        "head_commit": new.retry.head if new.retry else None,
        "retry_of": new.retry.run_id if new.retry else None,
        "retry_phase": new.retry.phase if new.retry else None,
        "retry_attempt": new.retry.attempt if new.retry else None,
        "state": RunState.RUN_CREATED,
    }


def check_same(db: Database, new: NewRun) -> None:
    """Raise BadInput naming ``run_id`` where a run of that id is another, as `create_run` does."""
    stored = find_run(db, new.run_id)
    if stored is not None:
        _same(stored, new)


def _same(stored: RunRow, new: NewRun) -> RunRow:
    for what, is_same in (
        ("plan", stored.plan_hash == new.plan_hash),
        ("repository", stored.repo == new.repo),
        ("base commit", stored.base_commit == new.base_commit),
    ):
        if not is_same:
            raise BadInput(
                f"run id {new.run_id} belongs to another {what}",
                field="run_id",
                hint="choose another run id, or leave it out",
            )
    return stored


def request_cancel(db: Database, run_id: str) -> None:
    """Ask the holder of the run to stop; asking again changes nothing.

    Raises NotFound, and Refused when the run has ended.
    """

    def request(conn: sa.Connection) -> None:
        table = tables.runs
        # Locked, so that the run cannot end between the look and the request.
        state = conn.scalar(
            sa.select(table.c.state).where(table.c.run_id == run_id).with_for_update()
        )
        if state is None:
            raise NotFound(f"there is no run {run_id!r}", field="run_id", hint="autopack runs")
        if state.is_final:
            raise Refused(f"run {run_id} has ended: {state}", field="run_id")
        conn.execute(
            sa.update(table)
            .where(table.c.run_id == run_id, table.c.cancel_requested_at.is_(None))
            .values(cancel_requested_at=now(conn))
        )

    db.transact(request)


def move_run(
    conn: sa.Connection,
    lease: Lease,
    state: RunState,
    *,
    reason: str | None = None,
    reopen: bool = False,
) -> None:
    """Change the run's state; ``reason`` says why it waits or failed, and is else cleared.

    ``reopen`` has a run continue that ended for its environment.
    Raises LeaseLost and IllegalTransition.
    """
    fence(conn, lease)
    table = tables.runs
    run = conn.execute(
        sa.select(table.c.state, table.c.started_at)
        .where(table.c.run_id == lease.run_id)
        .with_for_update()
    ).one()
    check_transition("run", run.state, state, reopen=reopen)
    at = now(conn)
    values: dict[str, Any] = {"state": state, "failure_reason": reason, "finished_at": None}
    if state is RunState.PHASE_EXECUTION and run.started_at is None:
        values["started_at"] = at
    if state.is_final:
        values["finished_at"] = at
    conn.execute(sa.update(table).where(table.c.run_id == lease.run_id).values(values))


def set_head(conn: sa.Connection, lease: Lease, commit: str | None) -> None:
    """Record the commit that the run's branch points to; None while nothing is completed."""
    _set(conn, lease, head_commit=commit)


def set_flow_run(conn: sa.Connection, lease: Lease, flow_run_id: str) -> None:
    """Record which flow run works on the run."""
    _set(conn, lease, flow_run_id=flow_run_id)


def set_toolchains(
    conn: sa.Connection, lease: Lease, toolchains: Sequence[Mapping[str, Any]]
) -> None:
    """Record what the project is built with."""
    _set(conn, lease, toolchains=[dict(found) for found in toolchains])


def set_setup_notes(conn: sa.Connection, lease: Lease, notes: Sequence[str]) -> None:
    """Record what was done otherwise than asked when the run's environment was made."""
    _set(conn, lease, setup_notes=list(notes))


def set_push_error(conn: sa.Connection, lease: Lease, error: str | None) -> None:
    """Record why the last push failed; None once one went well."""
    _set(conn, lease, push_error=error)


def set_pull_request(
    conn: sa.Connection, run_id: str, found: Mapping[str, Any], lease: Lease | None = None
) -> None:
    """Record what became of the run's pull request; without a ``lease`` of a run that ended."""
    if lease is not None:
        fence(conn, lease)
    table = tables.runs
    conn.execute(sa.update(table).where(table.c.run_id == run_id).values(pull_request=dict(found)))


def set_final_check(conn: sa.Connection, lease: Lease, found: Mapping[str, Any]) -> None:
    """Record what the checks said of the head commit in a fresh checkout."""
    _set(conn, lease, final_check=dict(found))


def add_elapsed(conn: sa.Connection, lease: Lease, seconds: float) -> None:
    """Add a session's working time."""
    _set(conn, lease, elapsed_seconds=tables.runs.c.elapsed_seconds + seconds)


def note_recovery_try(db: Database, run_id: str) -> None:
    """Note that somebody is about to take the run from a holder that crashed."""
    table = tables.runs
    db.transact(
        lambda conn: conn.execute(
            sa.update(table)
            .where(table.c.run_id == run_id)
            .values(recovery_tries=table.c.recovery_tries + 1, recovery_tried_at=now(conn))
        )
    )


def count_recovery(conn: sa.Connection, lease: Lease) -> None:
    """Count that the run was taken from a holder that crashed, if somebody had noted that try.

    A person who resumes the run is not counted.
    """
    fence(conn, lease)
    table = tables.runs
    conn.execute(
        sa.update(table)
        .where(table.c.run_id == lease.run_id, table.c.recovery_tries > 0)
        .values(recoveries=table.c.recoveries + 1, recovery_tries=0)
    )


def _set(conn: sa.Connection, lease: Lease, **values: Any) -> None:
    fence(conn, lease)
    conn.execute(sa.update(tables.runs).where(tables.runs.c.run_id == lease.run_id).values(values))


def move_phase(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    state: PhaseState,
    *,
    commit: str | None = None,
    failure: PhaseFailure | None = None,
    allowing: Literal["rollback", "reopen"] | None = None,
) -> None:
    """Change a phase's state; what an earlier state left (commit, failure, end) is replaced.

    Allowing a rollback queues a phase again, also one that ended, and raises its revision;
    allowing to reopen queues one that failed, and its attempts stay its own.
    Raises LeaseLost, IllegalTransition and NotFound.
    """
    fence(conn, lease)
    named = phase_named(lease.run_id, phase_id)
    phase = conn.execute(_PHASE, named).mappings().first()
    if phase is None:
        raise NotFound(f"run {lease.run_id} has no phase {phase_id!r}", field="phase_id")
    old = PhaseRow.of(phase)
    rollback = allowing == "rollback"
    check_transition("phase", old.state, state, rollback=rollback, reopen=allowing == "reopen")
    at = now(conn)
    started_at: datetime | None = old.started_at
    if state is PhaseState.EXECUTING and started_at is None:
        started_at = at
    changed = {
        "state": state,
        "revision": old.revision + int(rollback and state is PhaseState.QUEUED),
        "commit": commit,
        "failure_cause": failure and failure.cause,
        "failure_message": failure and failure.message,
        "started_at": started_at,
        "finished_at": at if state.is_final else None,
    }
    conn.execute(_CHANGE_PHASE, {**named, **changed})
