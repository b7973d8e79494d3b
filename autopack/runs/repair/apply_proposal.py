"""Carrying out a proposal on an attempt, with everything it takes to undo it."""

from __future__ import annotations

import contextlib
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from autopack.environments.setup_steps import SetupSteps
from autopack.files import safe_files
from autopack.files.savepoint import Savepoint
from autopack.model.causes import Failure
from autopack.model.commands import (
    Check,
    Command,
)
from autopack.model.ids import AttemptKey
from autopack.model.path_patterns import as_meant
from autopack.plan.plan import PhaseSpec
from autopack.process.supervisor import Exit
from autopack.repair.facts import RepairState
from autopack.repair.patterns import Evidence, Proposal
from autopack.runs.attempt.committed_tree import only_committed
from autopack.runs.attempt.judge import phase_checks
from autopack.runs.commit_message import commit_message
from autopack.runs.environment.install import Installing, run_install
from autopack.runs.environment.run_environment import SAVEPOINT, record_again, record_installed
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import StopReason
from autopack.runs.spools.record_build import readable
from autopack.settings import process_environment
from autopack.store.installs import InstallRow, record_installs
from autopack.store.mitigations import Mitigation, replace_commit
from autopack.store.runs import AttemptRow
from autopack.workspace.workspace import Snapshot


@dataclass
class Work:
    """An attempt while its failures are met: its commit and checks change with what helps."""

    session: RunSession
    phase: PhaseSpec
    attempt: AttemptRow
    commit: str
    checks: tuple[Check, ...]
    mitigated_by: tuple[str, ...] = ()
    installs: list[Check] = field(default_factory=list[Check])

    @classmethod
    def of(cls, session: RunSession, key: AttemptKey, repair: RepairState) -> Work:
        """Return a built attempt as it is stored, judged by the checks that it has by now."""
        attempt, phase = session.attempt(key), session.phase(key.phase_id)
        checks = phase_checks(session, phase) if repair.checks is None else repair.checks
        helped = tuple(one.pattern_id for one in repair.tried if one.helped)
        return cls(session, phase, attempt, attempt.built_commit, checks, helped)

    @classmethod
    def on(cls, session: RunSession, key: AttemptKey, repair: RepairState) -> Work:
        """Return a built attempt as it is stored, to be worked on.

        A process that crashed here may have moved the attempt's ref; what is stored decides.
        """
        work = cls.of(session, key, repair)
        session.mirror.set_ref(work.ref, work.commit, old=session.mirror.read_ref(work.ref))
        return work

    @property
    def ref(self) -> str:
        return self.session.mirror.attempt_ref(self.attempt.key)

    def changed(self) -> tuple[str, ...]:
        head = self.session.head()
        return tuple(change.path for change in self.session.mirror.changed_paths(head, self.commit))

    def evidence(self, failure: Failure) -> Evidence:
        there = self.session.mirror.paths(self.session.run().base_commit)
        return Evidence(
            output=failure.log or failure.output,
            exit_status=failure.exit_status,
            failed=failure.check,
            root=self.session.workspace.path,
            changed=self.changed(),
            scope=as_meant(self.phase.scope.paths, there) or None,
            read_only=as_meant(self.phase.scope.read_only, there),
            detected=self.session.toolchains,
            cause=failure.cause,
        )


class Acting:
    """One proposal being carried out, with everything it takes to undo it."""

    def __init__(self, work: Work, proposal: Proposal, *, keeps_changes: bool = False) -> None:
        self._work, self._proposal = work, proposal
        self._session = work.session
        self._keeps_changes = keeps_changes
        self.commit = work.commit
        self.actions: list[str] = []
        self.installs: list[Check] = []
        self._before = self._session.tools
        self._installs_before = list(self._session.installs)
        self._modes: dict[Path, int] = {}
        self._savepoint: Savepoint | None = None

    def change_files(self) -> None:
        """Revert files and add permissions; what that changes is committed to the attempt."""
        workspace, proposal = self._session.workspace, self._proposal
        if proposal.revert or proposal.add_modes:
            # Checks may have left files behind, which are no part of the attempt.
            workspace.reset(self.commit)
        if proposal.revert:
            workspace.restore(self._session.head(), proposal.revert)
            self.actions.append(f"reverted {', '.join(map(readable, proposal.revert))}")
        for wanted in proposal.add_modes:
            place = workspace.path / wanted.path
            before = safe_files.add_mode(place, wanted.bits)
            self._modes.setdefault(place, before)
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
        async with only_committed(session, self.commit):
            self._before = session.tools
            self._savepoint = Savepoint.make(session.folder / SAVEPOINT, touched)
            steps = SetupSteps(
                session.folder, root, session.tools.venv, self._run_step, process_environment()
            )
            for check in self._proposal.run:
                self.actions.append(f"ran {shown(check)}")
                self.installs.append(check)
                await session.switch.guard(steps.carry_out(check))
            if self._keeps_changes:
                self.commit = self._snapshot().commit
            # Lock files and the like that the installer wrote are no part of the agent's change.
            session.environment = record_installed(session, self.commit, self.installs)
            # What judges the attempt again finds them in the record, and takes it for ready.
            session.installs = [*self._installs_before, *self.installs]

    def undo(self) -> None:
        """Have files, permissions and environment as they were.

        Not once another process has the run: that one finds the savepoint and goes back itself.
        """
        work, stopped = self._work, self._session.switch.stopped
        if stopped is not None and stopped.reason is StopReason.LEASE_LOST:
            return
        if self._savepoint is not None:
            self._savepoint.restore()
            self._session.installs = self._installs_before
            self._session.environment = record_again(self._session, self._before)
        if self.commit != work.commit:
            self._session.mirror.set_ref(work.ref, work.commit, old=self.commit)
        self._session.workspace.reset(work.commit)
        for place, mode in self._modes.items():
            with contextlib.suppress(FileNotFoundError):
                safe_files.set_mode(place, mode)

    def keep(self) -> None:
        """Nothing is undone any more; what was installed is part of the run's setup from now on."""
        if self._savepoint is not None:
            self._savepoint.drop()
            self._work.installs += self.installs
            self._session.environment = record_again(self._session, self._session.tools)

    def report(self, *, success: bool, fixed: bool, more: str = "") -> Mitigation:
        """Return what was done, as it is stored."""
        return Mitigation(
            pattern_id=self._proposal.pattern_id,
            success=success,
            fixed=fixed,
            actions_taken=tuple(self.actions),
            suggestions=(*self._proposal.suggestions, *([more] if more else [])),
        )

    def _snapshot(self) -> Snapshot:
        work = self._work
        fixed_by = (*work.mitigated_by, self._proposal.pattern_id)
        message = commit_message(work.attempt, work.phase.instructions, fixed_by)
        return self._session.workspace.snapshot(
            parent=self._session.head(),
            message=self._session.redactor.text(message),
            ref=work.ref,
            replacing=work.commit,
        )

    async def _run_step(self, argv: Command, cwd: Path, env: Mapping[str, str], label: str) -> Exit:
        session = self._session
        log = session.folder / "spool" / "mitigation.log"
        how = Installing(log, session.seconds_left(self._work.phase), agents_worked=True)
        done = await run_install(session, argv, cwd=cwd, env=env, how=how)
        # Credentials of package indexes are in its environment.
        session.redactor.file(log)
        return done


def replace_commit_of(conn: Connection, work: Work) -> None:
    """Store the commit that an attempt has now, where it changed, and what was installed."""
    record_installs(
        conn,
        work.session.lease,
        work.attempt.key,
        [InstallRow(check.path, check.argv) for check in work.installs],
    )
    if work.commit != work.attempt.commit:
        replace_commit(
            conn,
            work.session.lease,
            work.attempt.key,
            commit=work.commit,
            changed_paths=[readable(path) for path in work.changed()],
        )


def shown(check: Check) -> str:
    """Return a command as a person reads it."""
    command = f"`{shlex.join(check.argv)}`"
    return command if check.path == "." else f"{command} in {check.path}/"


def _words(bits: int) -> str:
    named = ((stat.S_IRUSR, "readable"), (stat.S_IWUSR, "writable"), (stat.S_IXUSR, "executable"))
    return " and ".join(word for bit, word in named if bits & bit)
