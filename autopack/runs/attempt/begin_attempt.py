"""Beginning an attempt: its number, its base, its share of the budget; or why not now."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from autopack.agents.registry import circuit_name
from autopack.failpoints import Step, durable
from autopack.files.home_id import home_id
from autopack.ledger.budget import reservations
from autopack.model.budget import first_exhausted, reservation, room
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState
from autopack.plan.plan import PhaseSpec
from autopack.repair import outage as outages
from autopack.repair.decide import (
    Decision,
    DecisionKind,
    give_up_waiting,
    stop_at_cap,
)
from autopack.runs.attempt.budget_watch import shares_minutes
from autopack.runs.attempt.decisions import record, record_once
from autopack.runs.attempt.drift_gate import look
from autopack.runs.attempt.ladder import next_place, told
from autopack.runs.attempt.orders import deferred as deferred_by
from autopack.runs.attempt.orders import pause_of
from autopack.runs.attempt.start import Start, advice_on, inherited_start, starting_point
from autopack.runs.session.disk_room import wait_for_room
from autopack.runs.session.run_snapshot import Part
from autopack.runs.session.session import Granted, RunSession
from autopack.runs.spools.blame import is_of_content
from autopack.runs.spools.spool import (
    make_spool,
)
from autopack.store import approvals
from autopack.store.circuits import admit_call
from autopack.store.runs import (
    AttemptRow,
    move_phase,
    record_decision,
    start_attempt,
)

_BUDGET_PAUSE_SECONDS = 5.0


def begin(session: RunSession, phase_id: str) -> AttemptRow | Decision:
    """Start the phase's next attempt, or resume the one that was built before a crash.

    A decision instead means that nothing was started: STOP or WAIT that a cap leaves no room for
    another build, DEFER that it has to be tried again later.
    """
    now = session.fresh(phase_id)
    attempts = list(now.attempts)
    if attempts and attempts[-1].state is AttemptState.BUILT:
        _check_out(session, attempts[-1].built_commit)
        return attempts[-1]
    last = AttemptKey(session.run_id, phase_id, attempts[-1].attempt if attempts else 0)
    following = replace(last, attempt=last.attempt + 1)
    if (pause := pause_of(session)) is not None:
        waits = deferred_by(pause)
        session.transact(lambda conn: record_once(conn, session, last, waits), {Part.DECISIONS})
        return waits
    spec, run, phase = session.phase(phase_id), now.run, now.phase(phase_id)
    drifted = look(session, spec, phase.revision)
    if drifted is not None:
        return drifted
    deferred = wait_for_room(session)
    place = next_place(session, spec, attempts)
    provider = circuit_name(place.builder, place.model)
    # A circuit that lets one call through to try its provider must not wait for budget.
    has_room = provider is None or _has_room(session, spec)
    if deferred is None and has_room:
        deferred = _ask_provider(session, provider)
    if deferred is not None:
        if deferred.kind is DecisionKind.STOP:
            session.transact(lambda conn: record(conn, session, last, deferred))
        return deferred
    same = [attempt for attempt in attempts if attempt.revision == phase.revision]
    start = starting_point(same, session.head(), advice_on(session, attempts))
    if not attempts:
        start = inherited_start(session, run, phase_id) or start
    if not session.mirror.has(start.commit):
        # Made on another machine, and never pushed.
        start = Start(session.head(), start.hint)
    if not _check_out(session, start.commit):
        start = Start(session.head(), start.hint)
        session.workspace.reset(start.commit)
    climbed = told(place, attempts)
    make_spool(session.folder, following)

    def write(conn: Connection) -> AttemptRow | Decision:
        reservations.lock(conn, session.lease)
        levels = session.levels(conn, spec)
        exhausted = first_exhausted(levels)
        if exhausted is not None:
            decision = stop_at_cap(exhausted, ask=run.at_cap == "ask")
            if decision.kind is DecisionKind.WAIT:
                approvals.ask(conn, session.lease, phase_id, decision.reason, exhausted=exhausted)
            record(conn, session, last, decision)
            return decision
        free = room(levels)
        if free.is_none or not has_room:
            deferral = Decision(
                DecisionKind.DEFER,
                "other runs hold what is left of the budget",
                seconds=_BUDGET_PAUSE_SECONDS,
                idle=True,
            )
            record_once(conn, session, last, deferral)
            return deferral
        if phase.state is PhaseState.QUEUED:
            move_phase(conn, session.lease, phase_id, PhaseState.EXECUTING)
        started = start_attempt(
            conn,
            session.lease,
            phase_id,
            base_commit=start.commit,
            builder=place.builder.name,
            model=place.model or place.builder.model,
            level=place.level,
            hint=start.hint,
            home=home_id(session.settings.home),
        )
        if climbed is not None:
            record_decision(conn, session.lease, started.key, "escalate", climbed)
        held = reservation(
            free,
            minutes=session.seconds_left(spec) / 60,
            history=reservations.history(conn, started.builder, started.model),
            shared=run.campaign_id is not None,
            visible=place.builder.shows_spend,
            shared_minutes=shares_minutes(levels),
        )
        reservations.reserve(conn, started.key, held)
        accepts = any(level.accepts_unpriced for level in levels)
        caps = tuple(level.limits for level in levels)
        session.granted[started.key] = Granted(held, accepts, shares_minutes(levels), caps)
        return started

    session.granted.clear()
    changes = {Part.PHASES, Part.ATTEMPTS, Part.DECISIONS, Part.APPROVALS}
    with durable(Step.ATTEMPT_STARTED):
        return session.transact(write, changes)


def give_back(session: RunSession, begun: AttemptRow | Decision) -> None:
    """End an attempt that was started and will not be built; what it reserved is free again."""
    if isinstance(begun, AttemptRow) and begun.state is AttemptState.STARTED:
        session.recorder.interrupted(begun, because="the run was stopped before its build")


def _check_out(session: RunSession, commit: str) -> bool:
    """Return whether the worktree holds ``commit`` now; judging says why one cannot be
    checked out.
    """
    try:
        session.workspace.reset(commit)
    except Exception as error:
        if not is_of_content(error):
            raise
        return False
    return True


def _has_room(session: RunSession, spec: PhaseSpec) -> bool:
    """Return whether there is budget for a build, as far as can be seen before it is reserved."""
    levels = session.levels(session.db, spec)
    return first_exhausted(levels) is None and not room(levels).is_none


def _ask_provider(session: RunSession, name: str | None) -> Decision | None:
    """Return why the build may not start while its provider is in trouble; None when it may."""
    at = session.clock.monotonic()
    if (pause := session.outage.pause(at)) > 0:
        return Decision(DecisionKind.DEFER, "the provider is in trouble", seconds=pause, idle=True)
    session.admission = None if name is None else admit_call(session.db, name)
    if session.admission is None or session.admission.admitted:
        return None
    why = f"{name} failed again and again, and is left alone for a while"
    session.outage = outages.refused(session.outage, at)
    if (lasted := session.outage.lasted(at)) >= session.seconds_left():
        return give_up_waiting(lasted, why)
    return Decision(DecisionKind.DEFER, why, seconds=session.admission.seconds, idle=True)
