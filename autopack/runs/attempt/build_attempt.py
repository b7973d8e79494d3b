"""Building: the agent works, and what it left is committed before anything is judged."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.agents.protocol import BuildLimits, BuildRequest, BuildResult
from autopack.failpoints import Step, durable
from autopack.model.causes import POLICIES, FailureCause
from autopack.model.circuit import CircuitState
from autopack.model.errors import LeaseLost
from autopack.model.ids import AttemptKey
from autopack.model.path_patterns import as_meant
from autopack.plan.plan import PhaseSpec, TestsMode
from autopack.repair import outage as outages
from autopack.repair.outage import Outage
from autopack.runs.attempt.around_task import situation_of
from autopack.runs.attempt.budget_watch import Allowance, within
from autopack.runs.attempt.drift_gate import builder_context
from autopack.runs.attempt.judge import phase_checks
from autopack.runs.attempt.orders import BuildPaused
from autopack.runs.attempt.researched import research_context, told_before
from autopack.runs.attempt.show_files import note_saving, pack_for
from autopack.runs.commit_message import commit_message
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import in_thread
from autopack.runs.spools.conversations import to_continue
from autopack.runs.spools.snapshot import note_unrecorded, record_tree
from autopack.runs.spools.spool import (
    BuildEnd,
    open_spool,
    spool_folder,
    write_end,
)
from autopack.store.circuits import report_call
from autopack.store.runs import (
    AttemptRow,
)

if TYPE_CHECKING:
    from autopack.context.context_pack import ContextPack


async def build(session: RunSession, key: AttemptKey) -> str | None:
    """Let the builder work, then commit what it left before anything is judged.

    Whatever happens to the build, what it spent is recorded. Returns the name of the circuit that
    its failure opened. A build that a pause interrupts leaves its attempt INTERRUPTED.
    """
    phase, attempt = session.phase(key.phase_id), session.attempt(key)
    spool = open_spool(session.folder, key)
    pack = await in_thread(lambda _: pack_for(session, key))
    allowance = Allowance(session, phase, key)
    began = session.clock.monotonic()
    request = _request(session, phase, attempt, allowance, pack)
    builder = session.builder_of(attempt)
    try:
        with durable(Step.BUILD_PAID):
            session.mirror.fence.check()
            result = await session.switch.guard(
                within(
                    allowance,
                    builder,
                    spool,
                    builder.build(request, session.supervisor),
                )
            )
    except BuildPaused as paused:
        with _counted_at_least(session, attempt):
            session.recorder.interrupted(attempt, because=f"interrupted, for {paused.message}")
        return None
    except BaseException:
        # Also when the task itself is cancelled.
        with _counted_at_least(session, attempt):
            session.recorder.interrupted(attempt)
        raise
    with _counted_at_least(session, attempt):
        # To its end also when cancelled: the build is paid for.
        await in_thread(lambda _: _keep(session, phase, attempt, spool, result, pack))
    ended = session.attempt(key)
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
        session.recorder.late(attempt)
        raise


def _keep(
    session: RunSession,
    phase: PhaseSpec,
    attempt: AttemptRow,
    spool: Path,
    result: BuildResult,
    pack: ContextPack | None,
) -> None:
    """Note that the build ended, commit what it left, record both."""
    write_end(spool, result, session.workspace.path)
    snapshot, unrecorded = record_tree(
        session.workspace,
        parent=session.head(),
        message=session.redactor.text(commit_message(attempt, phase.instructions)),
        ref=None,
    )
    if unrecorded is not None:
        note_unrecorded(session.recorder, attempt, session.redactor.text(unrecorded))
    changed = [change.path for change in snapshot.changes]
    ref = session.mirror.attempt_ref(attempt.key)
    session.recorder.built(
        attempt,
        BuildEnd.of(result),
        commit=snapshot.commit,
        changed=changed,
        keep=lambda: session.mirror.move_ref(ref, snapshot.commit),
    )
    if pack is not None:
        note_saving(session, attempt.key, spool, pack, changed)


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


def _request(
    session: RunSession,
    phase: PhaseSpec,
    attempt: AttemptRow,
    allowance: Allowance,
    pack: ContextPack | None,
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
        spool=spool_folder(session.folder, attempt.key),
        hint=attempt.hint,
        context=told_before(builder_context(session), research_context(session, phase)),
        files=pack.text or None if pack is not None else None,
        guidance=run.prompt,
        model=attempt.model,
        deliverables=phase.deliverables,
        scope_paths=as_meant(phase.scope.paths, there),
        read_only=as_meant(phase.scope.read_only, there),
        protects_tests=session.plan.policy.tests is TestsMode.PROTECT,
        checks=[check.argv for check in phase_checks(session, phase)],
        limits=BuildLimits(
            tokens=allowance.held.tokens,
            seconds=allowance.most_minutes * 60,
            cost=allowance.most_cost(),
        ),
        situation=situation_of(session, attempt),
        earlier=to_continue(
            session.folder,
            session.snapshot(phase.id).attempts,
            attempt.revision,
        ),
        refuse_call=allowance.refuse_call,
        environment=session.variables(attempt.key),
    )
