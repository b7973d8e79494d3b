"""One attempt at a phase: start, build, validate, conclude. The loop is the caller's."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from autopack.agents.protocol import BuildLimits, BuildRequest, BuildResult
from autopack.agents.registry import circuit_name
from autopack.failpoints import Step, durable
from autopack.files.home_id import home_id
from autopack.ledger import reservations
from autopack.model.budget import first_exhausted, reservation, room
from autopack.model.causes import POLICIES, Failure, FailureCause
from autopack.model.circuit import CircuitState
from autopack.model.errors import LeaseLost
from autopack.model.path_patterns import as_meant
from autopack.model.states import AttemptState, PhaseState
from autopack.plan.plan import PhaseSpec, TestsMode
from autopack.process.informative_excerpt import BUDGET, select
from autopack.repair import outage as outages
from autopack.repair.decide import (
    Decision,
    DecisionKind,
    History,
    Prescription,
    decide,
    give_up_waiting,
    stop_at_cap,
)
from autopack.repair.outage import Outage
from autopack.runs.attempt.budget_watch import Allowance, shares_minutes, within
from autopack.runs.attempt.drift_gate import builder_context, look
from autopack.runs.attempt.judge import judge, phase_checks
from autopack.runs.attempt.prescribe import carry_out
from autopack.runs.prepare.retry import inherited
from autopack.runs.session.disk_room import wait_for_room
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import in_thread
from autopack.runs.spools.blame import is_of_content
from autopack.runs.spools.record_build import (
    close_built,
    close_interrupted,
    commit_message,
    record_late,
)
from autopack.runs.spools.redact_spools import mark_redacted
from autopack.runs.spools.snapshot import note_unrecorded, record_tree
from autopack.runs.spools.spool import (
    BuildEnd,
    make_spool,
    open_spool,
    spool_folder,
    write_end,
)
from autopack.store import approvals
from autopack.store.circuits import admit_call, report_call
from autopack.store.mitigations import count_replans, get_consultations, get_mitigations
from autopack.store.runs import (
    AttemptRow,
    Findings,
    RunRow,
    finish_attempt,
    get_attempts,
    get_decisions,
    get_phases,
    move_phase,
    record_decision,
    set_head,
    start_attempt,
)

HINT_BYTES = BUDGET
LEFT_OUT_HINT = (
    "what you made in ignored places, or installed without declaring it, is no part of the change "
    "and was set aside before the checks; put what the project needs where git takes it, or "
    "change .gitignore or the manifest"
)
_CUT_OFF = "The provider cut off the last build: what it had changed by then is in the worktree"
_DIFF_BYTES = 200_000
_BUDGET_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Start:
    """Where an attempt begins: a commit, and what the builder is told of the one before."""

    commit: str
    hint: str | None


def starting_point(attempts: list[AttemptRow], head: str, advice: Sequence[str] = ()) -> Start:
    """Where the next attempt of a phase begins, from its earlier ones.

    From the last attempt's tree when that was in scope and only its checks failed, or the
    provider cut it off, else from the branch head. Interrupted attempts teach nothing. ``advice``
    is what recovery has to say besides the failure.
    """
    failed = [attempt for attempt in attempts if attempt.state is AttemptState.FAILED]
    listed = "What may help:\n" + "\n".join(f"- {each}" for each in advice) if advice else ""
    if not failed:
        return Start(head, listed or None)
    last = failed[-1]
    keeps = POLICIES[_cause(last)].keeps_work and last.commit is not None
    parts = [_told(attempt) for attempt in failed if attempt.counts][-1:]
    if not last.counts:
        parts.append(f"{_CUT_OFF}." if last.changed_paths else "")
    hint = "\n\n".join(part for part in (*parts, listed) if part)
    return Start(last.commit if keeps and last.commit else head, hint or None)


def _cause(attempt: AttemptRow) -> FailureCause:
    return FailureCause(attempt.failure_cause or FailureCause.VALIDATION_FAILED)


def _told(attempt: AttemptRow) -> str:
    """What the next builder is told of a failed attempt."""
    output = select(attempt.failure_output or "", HINT_BYTES)
    why = f"({_cause(attempt).value}): {attempt.failure_message}"
    told = f"Attempt {attempt.attempt} failed {why}\n\n{output}".strip()
    return f"{told}\n\n[the full output: {_log(attempt)}]" if output else told


def _log(attempt: AttemptRow) -> str:
    """Where all that an attempt's checks printed is, in the run's folder."""
    return f"spool/{attempt.phase_id}/{attempt.attempt}/validation.log"


def begin(session: RunSession, phase_id: str) -> AttemptRow | Decision:
    """Start the phase's next attempt, or pick up the one that was built before a death.

    A decision instead means that nothing was started: STOP or WAIT that a cap leaves no room for
    another build, DEFER that it has to be tried again later.
    """
    attempts = get_attempts(session.db, session.run_id, phase_id)
    if attempts and attempts[-1].state is AttemptState.BUILT:
        _check_out(session, _commit(attempts[-1]))
        return attempts[-1]
    last = attempts[-1].attempt if attempts else 0
    spec, run = session.phase(phase_id), session.run()
    phase = next(p for p in get_phases(session.db, session.run_id) if p.phase_id == phase_id)
    stray = look(session, spec, phase.revision)
    if stray is not None:
        return stray
    deferred = wait_for_room(session)
    has_room = _has_room(session, spec)
    if deferred is None and has_room:
        # Only now: a circuit that lets one call through to try its provider must not wait for it.
        deferred = _ask_provider(session)
    if deferred is not None:
        if deferred.kind is DecisionKind.STOP:
            session.db.transact(lambda conn: _record(conn, session, phase_id, last, deferred))
        return deferred
    same = [attempt for attempt in attempts if attempt.revision == phase.revision]
    start = starting_point(same, session.head(), _advice(session, attempts))
    if not attempts:
        start = _inherited_start(session, run, phase_id) or start
    if not session.mirror.has(start.commit):
        # Made on another machine, and never pushed.
        start = Start(session.head(), start.hint)
    if not _check_out(session, start.commit):
        start = Start(session.head(), start.hint)
        session.workspace.reset(start.commit)
    make_spool(session.folder, phase_id, last + 1)
    session.mirror.set_aside(session.mirror.attempt_ref(session.run_id, phase_id, last + 1))

    def write(conn: Connection) -> AttemptRow | Decision:
        reservations.lock(conn, session.lease)
        levels = session.levels(conn, spec)
        exhausted = first_exhausted(levels)
        if exhausted is not None:
            decision = stop_at_cap(exhausted, ask=run.at_cap == "ask")
            if decision.kind is DecisionKind.WAIT:
                approvals.ask(conn, session.lease, phase_id, decision.reason, exhausted=exhausted)
            _record(conn, session, phase_id, last, decision)
            return decision
        free = room(levels)
        if free.is_none or not has_room:
            deferral = Decision(
                DecisionKind.DEFER,
                "other runs hold what is left of the budget",
                seconds=_BUDGET_PAUSE_SECONDS,
                idle=True,
            )
            _record_once(conn, session, phase_id, last, deferral)
            return deferral
        if phase.state is PhaseState.QUEUED:
            move_phase(conn, session.lease, phase_id, PhaseState.EXECUTING)
        started = start_attempt(
            conn,
            session.lease,
            phase_id,
            base_commit=start.commit,
            builder=session.builder.name,
            hint=start.hint,
            home=home_id(session.settings.home),
        )
        held = reservation(
            free,
            minutes=session.seconds_left(spec) / 60,
            history=reservations.history(conn, run.builder, run.model),
            shared=run.campaign_id is not None,
            visible=session.builder.shows_spend,
            shared_minutes=shares_minutes(levels),
        )
        reservations.reserve(conn, session.run_id, phase_id, started.attempt, held)
        return started

    with durable(Step.ATTEMPT_STARTED):
        return session.db.transact(write)


def _check_out(session: RunSession, commit: str) -> bool:
    """Whether the worktree holds ``commit`` now; judging says why one cannot be checked out."""
    try:
        session.workspace.reset(commit)
    except Exception as error:
        if not is_of_content(error):
            raise
        return False
    return True


def _inherited_start(session: RunSession, run: RunRow, phase_id: str) -> Start | None:
    """Where the first attempt at a phase begins that failed in the run that this one retries."""
    failed, commit = inherited(session.db, run, phase_id)
    if not failed:
        return None
    hint = starting_point(failed, session.head()).hint
    return Start(commit or session.head(), f"In the earlier run {run.retry_of}:\n{hint}")


def _has_room(session: RunSession, spec: PhaseSpec) -> bool:
    """Whether there is budget for a build, as far as can be seen before it is reserved."""
    levels = session.levels(session.db, spec)
    return first_exhausted(levels) is None and not room(levels).is_none


def _ask_provider(session: RunSession) -> Decision | None:
    """Why the build may not start while its provider is in trouble; None when it may."""
    at = session.clock.monotonic()
    if (pause := session.outage.pause(at)) > 0:
        return Decision(DecisionKind.DEFER, "the provider is in trouble", seconds=pause, idle=True)
    name = circuit_name(session.builder, session.run().model)
    session.admission = None if name is None else admit_call(session.db, name)
    if session.admission is None or session.admission.admitted:
        return None
    why = f"{name} failed again and again, and is left alone for a while"
    session.outage = outages.refused(session.outage, at)
    if (lasted := session.outage.lasted(at)) >= session.seconds_left():
        return give_up_waiting(lasted, why)
    return Decision(DecisionKind.DEFER, why, seconds=session.admission.seconds, idle=True)


async def build(session: RunSession, phase_id: str, number: int) -> str | None:
    """Let the builder work, then commit what it left before anything is judged.

    Whatever happens to the build, what it spent is recorded. Returns the name of the circuit that
    its failure opened.
    """
    phase, attempt = session.phase(phase_id), session.attempt(phase_id, number)
    spool = open_spool(session.folder, attempt.phase_id, attempt.attempt)
    allowance = Allowance(session, phase, number)
    began = session.clock.monotonic()
    request = _request(session, phase, attempt, allowance)
    try:
        with durable(Step.BUILD_PAID):
            session.mirror.fence.check()
            result = await session.switch.guard(
                within(
                    allowance,
                    session.builder,
                    spool,
                    session.builder.build(request, session.supervisor),
                )
            )
    except BaseException:
        # Also when the task itself is cancelled.
        with _counted_at_least(session, attempt):
            close_interrupted(
                session.db,
                session.lease,
                attempt,
                builder=session.builder,
                run_folder=session.folder,
                redactor=session.redactor,
            )
        raise
    with _counted_at_least(session, attempt):
        # To its end also when cancelled: the build is paid for.
        await in_thread(lambda _: _keep(session, phase, attempt, spool, result))
    ended = session.attempt(phase_id, number)
    _note_outage(session, ended, began)
    return _tell_circuit(session, ended)


@contextmanager
def _counted_at_least(session: RunSession, attempt: AttemptRow) -> Generator[None]:
    """Count what the build spent also when the run was taken over: its successor read the spool
    when it took the run, and calls that were under way then may have ended since.
    """
    try:
        yield
    except LeaseLost:
        record_late(session.db, attempt, builder=session.builder, run_folder=session.folder)
        raise


def _keep(
    session: RunSession, phase: PhaseSpec, attempt: AttemptRow, spool: Path, result: BuildResult
) -> None:
    """Note that the build ended, commit what it left, record both."""
    write_end(spool, result, session.workspace.path)
    snapshot, unrecorded = record_tree(
        session.workspace,
        parent=session.head(),
        message=commit_message(attempt, phase.instructions),
        ref=session.mirror.attempt_ref(session.run_id, phase.id, attempt.attempt),
    )
    if unrecorded is not None:
        note_unrecorded(session.db, session.lease, attempt, session.redactor.text(unrecorded))
    close_built(
        session.db,
        session.lease,
        attempt,
        builder=session.builder,
        run_folder=session.folder,
        redactor=session.redactor,
        end=BuildEnd.of(result),
        commit=snapshot.commit,
        changed=[change.path for change in snapshot.changes],
    )


def _note_outage(session: RunSession, ended: AttemptRow, began: float) -> None:
    """Remember the provider's trouble, which is not the run's working time; or that it is over."""
    at = session.clock.monotonic()
    if not _is_outage(ended):
        session.outage = Outage()
        return
    session.outage = outages.failed(
        session.outage, at, seed=session.run_id, retry_after=ended.retry_after
    )
    session.keeper.excuse(at - began)


def _is_outage(ended: AttemptRow) -> bool:
    return ended.build_cause is not None and POLICIES[FailureCause(ended.build_cause)].waits


def _tell_circuit(session: RunSession, ended: AttemptRow) -> str | None:
    admission, session.admission = session.admission, None
    if admission is None:
        return None
    error = (ended.summary or "no answer") if _is_outage(ended) else None
    turned = report_call(session.db, admission, error=error)
    return admission.name if turned is CircuitState.OPEN else None


async def validate(session: RunSession, phase_id: str, number: int) -> Failure | None:
    """Judge the attempt's commit: its scope, its deliverables, then its checks."""
    attempt = session.attempt(phase_id, number)
    phase = session.phase(phase_id)
    return await judge(session, phase, attempt, _commit(attempt), phase_checks(session, phase))


def conclude(
    session: RunSession,
    phase_id: str,
    number: int,
    failure: Failure | None,
    prescription: Prescription | None = None,
) -> Decision:
    """Record the verdict and what follows from it, in one transaction."""
    attempt = session.attempt(phase_id, number)
    phase = session.phase(phase_id)
    ended = [
        other
        for other in get_attempts(session.db, session.run_id, phase_id)
        if other.is_counted and other.revision == attempt.revision
    ]
    at = session.clock.monotonic()
    decision = decide(
        History(
            ended=len(ended),
            allowed=phase.budget.attempts,
            replans=count_replans(session.db, session.run_id, phase_id),
            outage=session.outage.lasted(at),
            patience=session.seconds_left(),
            pause=session.outage.pause(at),
        ),
        failure,
        exhausted := session.exhausted(phase),
        prescription,
        ask_at_cap=session.run().at_cap == "ask",
    )

    findings = session.findings.pop((phase_id, number), Findings(None, None))

    def write(conn: Connection) -> None:
        lease = session.lease
        mark_redacted(conn, session.run_id, phase_id, number)  # the judge did it
        if failure is None:
            finish_attempt(
                conn, lease, phase_id, number, state=AttemptState.PASSED, findings=findings
            )
            move_phase(conn, lease, phase_id, PhaseState.COMPLETE, commit=attempt.commit)
            set_head(conn, lease, _commit(attempt))
        else:
            finish_attempt(
                conn,
                lease,
                phase_id,
                number,
                state=AttemptState.FAILED,
                failure_cause=failure.cause.value,
                failure_message=failure.message,
                failure_output=failure.output,
                findings=findings,
                counts=POLICIES[failure.cause].counts,
            )
            if decision.kind is DecisionKind.STOP:
                move_phase(
                    conn,
                    lease,
                    phase_id,
                    PhaseState.FAILED,
                    failure_cause=failure.cause.value,
                    failure_message=failure.message,
                )
            elif decision.kind is DecisionKind.WAIT:
                move_phase(conn, lease, phase_id, PhaseState.QUEUED)
                approvals.ask(conn, lease, phase_id, decision.reason, exhausted=exhausted)
            elif prescription is not None:
                carry_out(conn, session, attempt, failure, decision, prescription)
        _record(conn, session, phase_id, number, decision)

    with durable(Step.ATTEMPT_CONCLUDED):
        session.db.transact(write)
    return decision


def _record(
    conn: Connection, session: RunSession, phase_id: str, number: int, decision: Decision
) -> None:
    record_decision(
        conn,
        session.lease,
        phase_id,
        number,
        decision.kind.value,
        decision.reason,
        run_state=decision.run_state,
    )


def _record_once(
    conn: Connection, session: RunSession, phase_id: str, number: int, decision: Decision
) -> None:
    """Record a decision that is taken again every few seconds, the first time."""
    told = [one for one in get_decisions(conn, session.run_id) if one.phase_id == phase_id]
    latest = told[-1] if told else None
    said = (decision.kind.value, decision.reason, number)
    if latest is None or (latest.kind, latest.reason, latest.attempt) != said:
        _record(conn, session, phase_id, number, decision)


def _advice(session: RunSession, attempts: list[AttemptRow]) -> list[str]:
    """What recovery has to say of the last attempt: a doctor's hint, and what patterns suggest."""
    if not attempts:
        return []
    last = (attempts[-1].phase_id, attempts[-1].attempt)
    left = [one["path"] for one in attempts[-1].left_out or () if one["kind"] != "cache"]
    away = [f"{LEFT_OUT_HINT}: {', '.join(left)}"] if left else []
    hints = [
        call.hint
        for call in get_consultations(session.db, session.run_id)
        if (call.phase_id, call.attempt) == last and call.hint and call.action != "replan"
    ]
    return (
        hints[-1:]
        + away
        + [
            suggestion
            for row in get_mitigations(session.db, session.run_id)
            if (row["phase_id"], row["attempt"]) == last and not row["fixed"]
            for suggestion in row["suggestions"]
        ]
    )


def _request(
    session: RunSession, phase: PhaseSpec, attempt: AttemptRow, allowance: Allowance
) -> BuildRequest:
    run = session.run()
    there = session.mirror.paths(run.base_commit)
    return BuildRequest(
        run_id=session.run_id,
        phase_id=phase.id,
        attempt=attempt.attempt,
        build=attempt.recorded_build,
        goal=session.plan.goal,
        instructions=phase.instructions,
        worktree=session.workspace.path,
        spool=spool_folder(session.folder, phase.id, attempt.attempt),
        hint=attempt.hint,
        context=builder_context(session),
        guidance=run.prompt,
        model=run.model,
        deliverables=phase.deliverables,
        scope_paths=as_meant(phase.scope.paths, there),
        read_only=as_meant(phase.scope.read_only, there),
        protects_tests=session.plan.policy.tests is TestsMode.PROTECT,
        checks=[check.argv for check in phase_checks(session, phase)],
        limits=BuildLimits(
            tokens=allowance.held.tokens,
            seconds=allowance.most_minutes * 60,
        ),
        may_go_on=allowance.may_go_on,
        environment=session.variables(phase.id, attempt.attempt),
    )


def _commit(attempt: AttemptRow) -> str:
    if attempt.commit is None:
        raise AssertionError(f"attempt {attempt.attempt} of {attempt.phase_id} has no commit")
    return attempt.commit
