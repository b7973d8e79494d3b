"""A new run from what a finished one completed, and the hint that its first attempt gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autopack.agents.crew import run_ladder
from autopack.clock import Clock
from autopack.model.errors import (
    BadInput,
    PlanError,
    Refused,
    RepositoryError,
)
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.plan.plan import PhaseSpec, Plan
from autopack.runs.prepare.prepare import RunRequest, check_request, read_plan
from autopack.runs.stored_run import plan_of, source_of
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.rows import AttemptRow, PhaseRow, Retry, RunRow
from autopack.store.runs import create_run, get_attempts, get_phases, get_run
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import SourceRepository


@dataclass(frozen=True)
class RetryRequest:
    """What a user asks for: the finished run, and what shall be different.

    ``plan`` replaces the plan for all that is not kept. ``phase`` is the first one to do again,
    the first that is not complete when None. ``from_attempt`` is the attempt of that phase whose
    work the new run begins with. ``repo`` is this machine's clone where it has another path here.
    """

    run_id: str
    plan: str | None = None
    phase: str | None = None
    from_attempt: int | None = None
    new_id: str | None = None
    token_cap: int | None = None
    repo: str | None = None
    builder_options: Mapping[str, str] | None = None
    builder_secrets: Mapping[str, str] | None = None


def prepare_retry(
    request: RetryRequest, *, db: Database, settings: Settings, clock: Clock
) -> RunRow:
    """Check the request and store the new run, its kept phases complete.

    Raises Refused when the run has not ended, or nothing is left to do; BadInput and PlanError
    name the field at fault. Then nothing has been stored.
    """
    old = get_run(db, request.run_id)
    if not old.state.is_final:
        raise Refused(
            f"run {old.run_id} has not ended: {old.state.value}",
            field="run_id",
            hint=f"autopack resume {old.run_id}, or autopack cancel {old.run_id} first",
        )
    old_plan = plan_of(db, old)
    new_plan = read_plan(request.plan) if request.plan is not None else old_plan
    kept = _kept(old, old_plan, get_phases(db, old.run_id), request.phase)
    _check_kept(kept, old_plan, new_plan, old)
    head = _head(old, old_plan, kept, request.phase)
    retry = Retry(run_id=old.run_id, kept=kept, head=head)
    first = next((each.id for each in new_plan.ordered() if each.id not in kept), None)
    attempt = _attempt(db, old, request.phase or first, request.from_attempt)
    if attempt is not None:
        retry = replace(retry, phase=attempt.phase_id, attempt=attempt.attempt)
    source = source_of(old, request.repo)
    new, phases, _ = check_request(
        _as_run(request, old, new_plan), db=db, settings=settings, clock=clock
    )
    needed = [commit for commit in (retry.head, attempt and attempt.commit) if commit]
    _keep(settings, source, old, new.run_id, needed)
    return create_run(db, replace(new, retry=retry), phases=phases)


def inherited(db: Database, run: RunRow, phase_id: str) -> tuple[list[AttemptRow], str | None]:
    """Return the failed attempts at a phase in the run that ``run`` retries, and the commit to
    begin at.

    The commit is None where the branch is where it begins. Empty for a run that retries none.
    """
    if run.retry_of is None:
        return [], None
    failed = [
        attempt
        for attempt in get_attempts(db, run.retry_of, phase_id)
        if attempt.state is AttemptState.FAILED
    ]
    if run.retry_phase != phase_id or run.retry_attempt is None:
        return failed, None
    chosen = [attempt for attempt in failed if attempt.attempt == run.retry_attempt]
    return chosen, chosen[0].commit if chosen else None


def _as_run(request: RetryRequest, old: RunRow, plan: Plan) -> RunRequest:
    """Return the same run again, with what the request changes."""
    return RunRequest(
        plan=plan.to_json() + "\n",
        repo=request.repo or old.repo,
        commit=old.base_commit,
        builder=old.builder,
        builder_options={key: str(value) for key, value in old.builder_options.items()}
        | dict(request.builder_options or {}),
        builder_secrets=request.builder_secrets or {},
        model=None if len(run_ladder(old.models, old.model)) > 1 else old.model,
        enable=old.features,
        disable=tuple(f for f in plan.features if f not in old.features),
        token_cap=request.token_cap or old.token_cap,
        at_cap=old.at_cap,
        run_id=request.new_id,
        campaign=old.campaign_id if old.replay_of is None else None,
        prompt=old.prompt,
        push=old.push,
        pr=old.pr or ("off" if request.plan is None else None),
    )


def _kept(
    old: RunRow, plan: Plan, rows: Sequence[PhaseRow], phase_id: str | None
) -> dict[str, str]:
    """Return the completed phases with their commits: all, or those before the one to do again."""
    complete = {
        row.phase_id: row.commit
        for row in rows
        if row.state is PhaseState.COMPLETE and row.commit is not None
    }
    order = [phase.id for phase in plan.ordered()]
    if phase_id is None:
        if len(complete) == len(order) and old.state is RunState.DONE_SUCCESS:
            raise Refused(
                f"run {old.run_id} completed every phase",
                field="run_id",
                hint="name the first phase to do again with --phase",
            )
        return {each: complete[each] for each in order if each in complete}
    if phase_id not in order:
        raise BadInput(
            f"run {old.run_id} has no phase {phase_id!r}",
            field="phase",
            hint=f"choose one of {', '.join(order)}",
        )
    before = order[: order.index(phase_id)]
    return {each: complete[each] for each in before if each in complete}


def _head(old: RunRow, plan: Plan, kept: Mapping[str, str], phase_id: str | None) -> str | None:
    """Return the commit with the work of all kept phases, and of no other."""
    if not kept:
        return None
    if phase_id is None:
        return old.head_commit
    return next(kept[phase.id] for phase in reversed(plan.ordered()) if phase.id in kept)


def _check_kept(kept: Mapping[str, str], before: Plan, after: Plan, old: RunRow) -> None:
    """Refuse a plan that changes what is complete."""
    specs = {phase.id: phase for phase in after.phases}
    for phase in before.ordered():
        if phase.id in kept and _work(specs.get(phase.id)) != _work(phase):
            changed = "changes" if phase.id in specs else "lacks"
            raise PlanError(
                f"the plan {changed} phase {phase.id}, which run {old.run_id} completed",
                field=f"phases.{phase.id}",
                hint=f"leave it as it was, or do it again with --phase {phase.id}",
            )
    unknown = next(
        (need for p in after.phases if p.id in kept for need in p.depends_on if need not in kept),
        None,
    )
    if unknown is not None:
        raise PlanError(f"a completed phase depends on {unknown}, which is not", field="phase")


def _work(phase: PhaseSpec | None) -> object:
    """Return what a phase does; its budget and approval do not matter once it is complete."""
    left_out = {"budget", "approval", "tier"}
    return None if phase is None else phase.model_dump(exclude=left_out)


def _attempt(
    db: Database, old: RunRow, phase_id: str | None, number: int | None
) -> AttemptRow | None:
    """The failed attempt to begin with. Raises BadInput when it left no work."""
    if number is None:
        return None
    if phase_id is None:
        raise BadInput("no phase is left to begin with an attempt", field="from_attempt")
    attempts = get_attempts(db, old.run_id, phase_id)
    usable = [one for one in attempts if one.commit and one.state is AttemptState.FAILED]
    for attempt in usable:
        if attempt.attempt == number:
            return attempt
    listed = ", ".join(str(one.attempt) for one in usable) or "none"
    raise BadInput(
        f"attempt {number} of phase {phase_id} in run {old.run_id} left no work to begin with",
        field="from_attempt",
        hint=f"attempts that did: {listed}",
    )


def _keep(
    settings: Settings, source: SourceRepository, old: RunRow, run_id: str, commits: list[str]
) -> None:
    """Have what the new run begins with in the private clone. Raises RepositoryError."""
    try:
        Mirror.open(settings.home, source).keep(run_id, commits)
    except RepositoryError as error:
        raise RepositoryError(
            f"the work of run {old.run_id} is not on this machine: {error.message}",
            field="run_id",
            hint="retry it on the machine that ran it, or fetch its branch into the repository"
            + (f" from {old.push}" if old.push else ""),
        ) from error
