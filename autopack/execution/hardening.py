"""Meeting a known failure without a model: a pattern's proposal is carried out, then judged.

What helps is kept and becomes part of the attempt's commit; what does not is undone. Nothing is
stored before the end, so a run that dies meanwhile finds the attempt as its builder left it.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from autopack.errors import BadInput
from autopack.execution.attempt import get_attempt, judge, phase_checks, run_head
from autopack.execution.closing import readable
from autopack.execution.consultation import skipped_doctor
from autopack.execution.savepoint import Savepoint
from autopack.execution.session import RunSession
from autopack.plan.model import PhaseSpec
from autopack.plan.values import Command
from autopack.recovery.causes import Failure, FailureCause
from autopack.recovery.hardening import Evidence, FailurePattern, Match, Proposal
from autopack.recovery.hardening.registry import enabled_patterns
from autopack.store.recovery import Mitigation, record_mitigation, replace_commit
from autopack.store.runs import AttemptRow, record_decision
from autopack.validation.setup_steps import EnvironmentFailed, SetupSteps
from autopack.validation.toolchains.base import Check
from autopack.workspace.leftovers import RUN
from autopack.workspace.process import Exit
from autopack.workspace.workspace import Snapshot

MOST_MITIGATIONS = 4
"""How many failures of one attempt are met, one after the other."""

UNLISTED = "AUTOPACK_INSTALL_UNLISTED"
"""The environment variable that allows installing what no manifest of the project declares."""

_SAVEPOINT = "before-mitigation"


@dataclass
class _Work:
    """An attempt while its failures are met: its commit and checks change with what helps."""

    session: RunSession
    phase: PhaseSpec
    attempt: AttemptRow
    commit: str
    checks: tuple[Check, ...]
    done: list[Mitigation] = field(default_factory=list[Mitigation])

    @property
    def ref(self) -> str:
        return self.session.mirror.attempt_ref(
            self.session.run_id, self.phase.id, self.attempt.attempt
        )

    def changed(self) -> tuple[str, ...]:
        head = run_head(self.session)
        return tuple(change.path for change in self.session.mirror.changed_paths(head, self.commit))

    def evidence(self, failure: Failure) -> Evidence:
        return Evidence(
            output=failure.log or failure.output,
            exit_status=failure.exit_status,
            failed=failure.check,
            root=self.session.workspace.path,
            changed=self.changed(),
            scope=self.phase.scope.paths or None,
            read_only=self.phase.scope.read_only,
            detected=self.session.toolchains,
        )


async def mitigate(
    session: RunSession, phase_id: str, number: int, failure: Failure
) -> Failure | None:
    """Meet the failure of a built attempt; the failure that is left, None when it passes now."""
    attempt, phase = get_attempt(session, phase_id, number), session.phase(phase_id)
    if attempt.commit is None:
        return failure
    work = _Work(session, phase, attempt, attempt.commit, phase_checks(session, phase))
    # A process that died here may have moved the ref; what is stored decides.
    session.mirror.set_ref(work.ref, work.commit, old=session.mirror.read_ref(work.ref))
    patterns, left = enabled_patterns(os.environ), failure
    while left is not None and len(work.done) < MOST_MITIGATIONS:
        found = _first(patterns, work.evidence(left))
        if found is None:
            break
        outcome = await _meet(work, *found, left)
        if outcome is left:
            break
        left = outcome
    _store(work, failure, left)
    return left


async def execute_fix(
    session: RunSession, phase_id: str, number: int, failure: Failure, commands: Sequence[Command]
) -> Failure | None:
    """Run commands that a doctor chose; what they change becomes the attempt's if it passes then.

    ``failure`` itself comes back, and everything is undone, when it does not.
    """
    attempt, phase = get_attempt(session, phase_id, number), session.phase(phase_id)
    if attempt.commit is None:
        return failure
    work = _Work(session, phase, attempt, attempt.commit, phase_checks(session, phase))
    session.mirror.set_ref(work.ref, work.commit, old=session.mirror.read_ref(work.ref))
    proposal = Proposal("execute_fix", run=tuple(Check(".", argv) for argv in commands))
    acting = _Acting(work, proposal, keeps_changes=True)
    try:
        await acting.run_commands()
        after = await judge(session, phase, attempt, acting.commit, work.checks)
    except EnvironmentFailed:
        after = failure
    except BaseException:
        acting.undo()
        raise
    if after is None:
        acting.keep()
        work.commit = acting.commit
    else:
        acting.undo()
    did = "; ".join(acting.actions)
    reason = f"{did}; that fixed it" if after is None else f"{did}; undone, for it did not help"

    def write(conn: Connection) -> None:
        record_decision(conn, session.lease, phase_id, number, "execute_fix", reason)
        _replace_commit(conn, work)

    session.db.transact(write)
    return None if after is None else failure


def undo_unfinished(session: RunSession) -> None:
    """Take back what a process installed and died before it knew whether that helped."""
    savepoint = Savepoint.left_behind(session.folder / _SAVEPOINT)
    if savepoint is not None:
        savepoint.restore()


def _first(
    patterns: Sequence[FailurePattern], evidence: Evidence
) -> tuple[FailurePattern, Match] | None:
    for pattern in patterns:
        match = pattern.detect(evidence)
        if match is not None:
            return pattern, match
    return None


async def _meet(
    work: _Work, pattern: FailurePattern, match: Match, failure: Failure
) -> Failure | None:
    """Carry out what the pattern proposes; ``failure`` itself comes back when it did not help."""
    proposal = pattern.propose(work.evidence(failure), match)
    refusal = _refusal(work, proposal)
    if refusal is not None or not proposal.acts:
        advice = (*proposal.suggestions, *([refusal] if refusal else []))
        work.done.append(
            Mitigation(pattern_id=match.pattern_id, success=False, fixed=False, suggestions=advice)
        )
        return failure
    acting = _Acting(work, proposal)
    try:
        acting.change_files()
        await acting.run_commands()
        checks = _with_recheck(work.checks, failure.check, proposal.recheck)
        after = await judge(work.session, work.phase, work.attempt, acting.commit, checks)
    except EnvironmentFailed as error:
        acting.undo()
        work.done.append(acting.report(success=False, fixed=False, more=error.message))
        return failure
    except BaseException:
        acting.undo()
        raise
    if proposal.recheck is not None:
        acting.actions.append(f"checked with {_shown(proposal.recheck)}")
    if not _helped(work, acting, pattern, match, failure, after):
        acting.undo()
        work.done.append(acting.report(success=True, fixed=False))
        return failure
    acting.keep()
    work.commit, work.checks = acting.commit, checks
    work.done.append(acting.report(success=True, fixed=True))
    return after


def _helped(
    work: _Work,
    acting: _Acting,
    pattern: FailurePattern,
    match: Match,
    before: Failure,
    after: Failure | None,
) -> bool:
    """Whether the failure that was met is gone, and none that the mitigation made has come."""
    if after is None:
        return True
    if after.cause is FailureCause.OUT_OF_SCOPE and before.cause is not FailureCause.OUT_OF_SCOPE:
        return False
    now = replace(work, commit=acting.commit).evidence(after)
    return pattern.detect(now) != match


class _Acting:
    """One proposal being carried out, with everything it takes to undo it."""

    def __init__(self, work: _Work, proposal: Proposal, *, keeps_changes: bool = False) -> None:
        self._work, self._proposal = work, proposal
        self._session = work.session
        self._keeps_changes = keeps_changes
        self.commit = work.commit
        self.actions: list[str] = []
        self._modes: dict[Path, int] = {}
        self._savepoint: Savepoint | None = None

    def change_files(self) -> None:
        """Revert files and add permissions; what that changes is committed to the attempt."""
        workspace, proposal = self._session.workspace, self._proposal
        if proposal.revert:
            # Checks may have left files behind, which are no part of the attempt.
            workspace.reset(self.commit)
            workspace.restore(run_head(self._session), proposal.revert)
            self.actions.append(f"reverted {', '.join(map(readable, proposal.revert))}")
        for wanted in proposal.add_modes:
            place = workspace.path / wanted.path
            before = stat.S_IMODE(place.stat().st_mode)
            self._modes.setdefault(place, before)
            place.chmod(before | wanted.bits)
            self.actions.append(f"made {readable(wanted.path)} {_words(wanted.bits)}")
        if proposal.revert or proposal.add_modes:
            self.commit = self._snapshot().commit

    async def run_commands(self) -> None:
        """Install into the run's environment. Raises EnvironmentFailed; the files stay as is."""
        if not self._proposal.run:
            return
        session = self._session
        root = session.workspace.path
        folders = {".", *(check.path for check in self._proposal.run)}
        touched = [session.tools.root, *(root / path / "node_modules" for path in sorted(folders))]
        self._savepoint = Savepoint.make(session.folder / _SAVEPOINT, touched)
        steps = SetupSteps(session.folder, root, session.tools.venv, self._run_step, os.environ)
        for check in self._proposal.run:
            self.actions.append(f"ran {_shown(check)}")
            await session.switch.guard(steps.carry_out(check))
        if self._keeps_changes:
            self.commit = self._snapshot().commit
            return
        # Lock files and the like that the installer wrote are no part of the agent's change.
        session.workspace.reset(self.commit)

    def undo(self) -> None:
        """Have files, permissions and environment as they were."""
        work = self._work
        if self._savepoint is not None:
            self._savepoint.restore()
        if self.commit != work.commit:
            self._session.mirror.set_ref(work.ref, work.commit, old=self.commit)
        self._session.workspace.reset(work.commit)
        for place, mode in self._modes.items():
            if place.exists():
                place.chmod(mode)

    def keep(self) -> None:
        """Nothing is undone any more."""
        if self._savepoint is not None:
            self._savepoint.drop()

    def report(self, *, success: bool, fixed: bool, more: str = "") -> Mitigation:
        """What was done, as it is stored."""
        return Mitigation(
            pattern_id=self._proposal.pattern_id,
            success=success,
            fixed=fixed,
            actions_taken=tuple(self.actions),
            suggestions=(*self._proposal.suggestions, *([more] if more else [])),
        )

    def _snapshot(self) -> Snapshot:
        work = self._work
        return self._session.workspace.snapshot(
            parent=run_head(self._session),
            message=f"{work.phase.id}: attempt {work.attempt.attempt}\n\n"
            f"{work.phase.instructions}\n\nMended by {self._proposal.pattern_id}",
            ref=work.ref,
            replacing=work.commit,
        )

    async def _run_step(self, argv: Command, cwd: Path, env: Mapping[str, str], label: str) -> Exit:
        session = self._session
        return await session.supervisor.run(
            argv,
            cwd=cwd,
            env={**env, RUN: session.run_id},
            timeout=session.seconds_left(self._work.phase),
            spool=session.folder / "spool" / "mitigation.log",
        )


def _refusal(work: _Work, proposal: Proposal) -> str | None:
    """Why the proposal may not be carried out, if it may not."""
    if proposal.unlisted and not _allows_unlisted():
        names = ", ".join(proposal.unlisted)
        return f"declare {names} in the project's manifest, or set {UNLISTED}=true"
    if proposal.revert and set(proposal.revert) >= set(work.changed()):
        return "every changed file is outside the scope: reverting them would leave no work"
    return None


def _allows_unlisted() -> bool:
    value = os.environ.get(UNLISTED, "").strip().lower()
    if value in ("", "0", "false", "no", "off"):
        return False
    if value in ("1", "true", "yes", "on"):
        return True
    raise BadInput(f"{UNLISTED} is {value!r}", field=UNLISTED, hint="use true or false")


def _with_recheck(
    checks: tuple[Check, ...], failed: Check | None, recheck: Check | None
) -> tuple[Check, ...]:
    if recheck is None:
        return checks
    return tuple(recheck if check == failed else check for check in checks)


def _store(work: _Work, failure: Failure, left: Failure | None) -> None:
    """Keep what was done and decided, and the commit that came of it, in one transaction."""
    if not work.done:
        return
    session, phase_id, number = work.session, work.phase.id, work.attempt.attempt
    if left is None:
        work.done[-1] = replace(
            work.done[-1], doctor_model=skipped_doctor(session, phase_id, failure)
        )

    def write(conn: Connection) -> None:
        for mitigation in work.done:
            record_mitigation(conn, session.lease, phase_id, number, mitigation)
            record_decision(conn, session.lease, phase_id, number, "mitigate", _reason(mitigation))
        _replace_commit(conn, work)

    session.db.transact(write)


def _replace_commit(conn: Connection, work: _Work) -> None:
    if work.commit != work.attempt.commit:
        replace_commit(
            conn,
            work.session.lease,
            work.phase.id,
            work.attempt.attempt,
            commit=work.commit,
            changed_paths=[readable(path) for path in work.changed()],
        )


def _reason(mitigation: Mitigation) -> str:
    did = "; ".join(mitigation.actions_taken) or "nothing safe to do"
    if mitigation.fixed:
        return f"{mitigation.pattern_id}: {did}; that fixed it"
    after = "; undone, for it did not help" if mitigation.actions_taken else ""
    advice = f" ({'; '.join(mitigation.suggestions)})" if mitigation.suggestions else ""
    return f"{mitigation.pattern_id}: {did}{after}{advice}"


def _shown(check: Check) -> str:
    command = f"`{shlex.join(check.argv)}`"
    return command if check.path == "." else f"{command} in {check.path}/"


def _words(bits: int) -> str:
    named = ((stat.S_IRUSR, "readable"), (stat.S_IWUSR, "writable"), (stat.S_IXUSR, "executable"))
    return " and ".join(word for bit, word in named if bits & bit)
