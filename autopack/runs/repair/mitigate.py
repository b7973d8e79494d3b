"""Meeting a known failure without a model: a pattern's proposal is carried out, then judged.

What helps is kept and becomes part of the attempt's commit; what does not is undone. Nothing is
stored before that is known, so a run whose process crashes meanwhile finds the attempt as it was.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from autopack.environments.setup_steps import EnvironmentFailed
from autopack.failpoints import Step, durable
from autopack.model.causes import Failure, FailureCause
from autopack.model.commands import (
    Check,
    Command,
)
from autopack.model.errors import GitFailed
from autopack.model.ids import AttemptKey
from autopack.repair.decide import Consult, decide
from autopack.repair.facts import RepairState, Tried
from autopack.repair.lifecycle.transitions import advance
from autopack.repair.patterns import (
    FailurePattern,
    Match,
    Proposal,
)
from autopack.runs.attempt.judge import judge
from autopack.runs.repair.apply_proposal import (
    Acting,
    Work,
    replace_commit_of,
    shown,
)
from autopack.runs.repair.gather_facts import attempt_facts
from autopack.runs.repair.run_patterns import run_patterns
from autopack.runs.session.session import RunSession
from autopack.settings import INSTALL_UNLISTED
from autopack.store.mitigations import Mitigation, record_mitigation
from autopack.store.pattern_hits import Verdict, judge_hit, phase_hits
from autopack.store.runs import record_decision
from autopack.store.tables import DoctorModel

RECHECKED = "checked with"
"""How the action begins of a mitigation that had the attempt judged by another command."""

STOPPED = "ended the phase, for another attempt would fail alike"
"""The action of a pattern that knows a failure which no attempt can meet."""


async def mitigate(
    session: RunSession, key: AttemptKey, repair: RepairState, pattern_id: str
) -> RepairState:
    """Meet the failure of a built attempt as a pattern proposes, and store what came of it."""
    failure = repair.failure
    if failure is None:
        return repair
    work = Work.on(session, key, repair)
    pattern = next(
        one.pattern for one in run_patterns(session) if one.detector.pattern_id == pattern_id
    )
    done, left = Mitigation(pattern_id=pattern_id, success=False, fixed=False), failure
    match, stops = pattern.detect(work.evidence(failure)), False
    if match is not None:
        stops = pattern.propose(work.evidence(failure), match).stops
        done, left = (
            (_stopped(pattern_id), failure) if stops else await _meet(work, pattern, match, failure)
        )
    if left is None or stops:
        done = replace(done, doctor_model=_skipped_doctor(work, repair))
    _store(work, done, judged=not stops)
    return repair.mitigated(Tried(pattern_id, done.fixed, stops), left, work.checks)


def _stopped(pattern_id: str) -> Mitigation:
    """Return what is stored of a phase that ends because no attempt would help."""
    return Mitigation(
        pattern_id=pattern_id,
        success=True,
        fixed=False,
        actions_taken=(STOPPED,),
    )


async def execute_fix(
    session: RunSession,
    key: AttemptKey,
    repair: RepairState,
    commands: Sequence[Command],
) -> RepairState:
    """Run commands that a doctor chose; what they change becomes the attempt's if it passes then.

    The failure stays what it was, and everything is undone, when it does not.
    """
    work = Work.on(session, key, repair)
    proposal = Proposal("execute_fix", run=tuple(Check(".", argv) for argv in commands))
    acting = Acting(work, proposal, keeps_changes=True)
    why = "it did not help"
    try:
        await acting.run_commands()
        after = await judge(session, work.phase, work.attempt, acting.commit, work.checks)
    except (EnvironmentFailed, GitFailed, OSError) as error:
        after, why = repair.failure, session.redactor.text(str(error))
    except BaseException:
        acting.undo()
        raise
    if after is None:
        acting.keep()
        work.commit = acting.commit
    else:
        acting.undo()
    did = "; ".join(acting.actions)
    reason = f"{did}; " + ("that fixed it" if after is None else f"undone: {why}")

    def write(conn: Connection) -> None:
        record_decision(conn, session.lease, key, "execute_fix", reason)
        replace_commit_of(conn, work)

    session.transact(write)
    return replace(repair, failure=None if after is None else repair.failure, fix_ran=True)


async def _meet(
    work: Work, pattern: FailurePattern, match: Match, failure: Failure
) -> tuple[Mitigation, Failure | None]:
    """Carry out what the pattern proposes; return what was done, and the failure that is left."""
    proposal = pattern.propose(work.evidence(failure), match)
    refusal = _refusal(work, proposal)
    if refusal is not None or not proposal.acts:
        advice = (*proposal.suggestions, *([refusal] if refusal else []))
        idle = Mitigation(
            pattern_id=match.pattern_id, success=False, fixed=False, suggestions=advice
        )
        return idle, failure
    if proposal.listed:
        commands = tuple(Check(".", argv) for argv in proposal.listed)
        proposal = replace(proposal, run=(*proposal.run, *commands))
    acting = Acting(work, proposal, keeps_changes=bool(proposal.listed))
    try:
        acting.change_files()
        await acting.run_commands()
        checks = _with_recheck(work.checks, failure.check, proposal.recheck)
        after = await judge(work.session, work.phase, work.attempt, acting.commit, checks)
    except (EnvironmentFailed, GitFailed, OSError) as error:
        acting.undo()
        return acting.report(success=False, fixed=False, more=str(error)), failure
    except BaseException:
        acting.undo()
        raise
    if proposal.recheck is not None:
        acting.actions.append(f"{RECHECKED} {shown(proposal.recheck)}")
    if proposal.reruns:
        acting.actions.append("ran the checks again")
    if not _helped(work, acting, pattern, match, failure, after):
        acting.undo()
        return acting.report(success=True, fixed=False), failure
    acting.keep()
    work.commit, work.checks = acting.commit, checks
    return acting.report(success=True, fixed=True), after


def _helped(
    work: Work,
    acting: Acting,
    pattern: FailurePattern,
    match: Match,
    before: Failure,
    after: Failure | None,
) -> bool:
    """Return whether the failure that was met is gone, and none that the mitigation made
    has come.
    """
    if after is None:
        return True
    if after.cause is FailureCause.OUT_OF_SCOPE and before.cause is not FailureCause.OUT_OF_SCOPE:
        return False
    now = replace(work, commit=acting.commit).evidence(after)
    return pattern.detect(now) != match


def _refusal(work: Work, proposal: Proposal) -> str | None:
    """Return why the proposal may not be carried out, if it may not."""
    if proposal.unlisted and not INSTALL_UNLISTED.of():
        names = ", ".join(proposal.unlisted)
        return f"declare {names} in the project's manifest, or set {INSTALL_UNLISTED.name}=true"
    allowed = work.session.plan.policy.execute_fix
    if (unlisted := next((one for one in proposal.listed if one not in allowed), None)) is not None:
        return f"list `{shlex.join(unlisted)}` under policy.execute_fix of the plan"
    if proposal.revert and set(proposal.revert) >= set(work.changed()):
        return "every changed file is outside the scope: reverting them would leave no work"
    return None


def _with_recheck(
    checks: tuple[Check, ...], failed: Check | None, recheck: Check | None
) -> tuple[Check, ...]:
    if recheck is None:
        return checks
    return tuple(recheck if check == failed else check for check in checks)


def _skipped_doctor(work: Work, repair: RepairState) -> DoctorModel | None:
    """Return the doctor that would have been asked about the failure that the build left.

    None where no rule asks for one, and where no cap would have let it be paid for.
    """
    untouched = RepairState.of(repair.first)
    step = decide(attempt_facts(work.session, work.attempt.key, untouched, mitigates=False))
    return step.tier.value if isinstance(step, Consult) else None


def _store(work: Work, done: Mitigation, *, judged: bool) -> None:
    """Keep what was done and decided, and the commit that came of it, in one transaction.

    Where what was done ``judged`` the pattern's hit, that is kept too.
    """
    session, key = work.session, work.attempt.key

    def write(conn: Connection) -> None:
        record_mitigation(conn, session.lease, key, done)
        record_decision(conn, session.lease, key, "mitigate", _reason(done))
        replace_commit_of(conn, work)
        if judged and done.success:
            _judge(conn, key, done)

    with durable(Step.MITIGATION_STORED):
        session.transact(write)


def _judge(conn: Connection, key: AttemptKey, done: Mitigation) -> None:
    """Judge the hit by what the mitigation came to, once."""
    for hit in phase_hits(conn, key.run_id, key.phase_id):
        if hit.pattern_id == done.pattern_id and hit.verdict is None:
            verdict: Verdict = "right" if done.fixed else "wrong"
            judge_hit(conn, hit.id, verdict, by="mitigation", why=_reason(done))
            advance(conn, hit.pattern_id, hit.digest)


def _reason(mitigation: Mitigation) -> str:
    nothing = "advice for the next attempt" if mitigation.suggestions else "nothing safe to do"
    did = "; ".join(mitigation.actions_taken) or nothing
    if mitigation.fixed:
        return f"{mitigation.pattern_id}: {did}; that fixed it"
    if STOPPED in mitigation.actions_taken:
        return f"{mitigation.pattern_id}: {did}"
    after = "; undone, for it did not help" if mitigation.actions_taken else ""
    advice = f" ({'; '.join(mitigation.suggestions)})" if mitigation.suggestions else ""
    return f"{mitigation.pattern_id}: {did}{after}{advice}"
