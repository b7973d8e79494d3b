"""Failures that were there before: forgiven where nobody named the command that shows them.

The tests that fail at the run's base commit are found once, with the same command in the same
environment, and kept; an attempt is answerable only for those that fail besides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.execution.session import RunSession
from autopack.store.recovery import get_base_failures, record_base_failures
from autopack.store.runs import record_decision
from autopack.validation.checks import FailedCheck, run_checks
from autopack.validation.environment import RunEnvironment, machine_python
from autopack.workspace.files import remove_tree
from autopack.workspace.workspace import Workspace

_NAMED = 5


@dataclass(frozen=True)
class Place:
    """A checkout in which commits are judged, and the environment they are judged with."""

    workspace: Workspace
    environment: RunEnvironment

    def clean(self, commit: str) -> None:
        """Have the files of ``commit`` and what setup made; what a check left is gone."""
        for path in self.workspace.extras(commit, self.environment.made.workspace.keys()).tops:
            remove_tree(self.workspace.path / path)
        self.workspace.reset(commit)


async def forgive(
    session: RunSession,
    failed: FailedCheck,
    *,
    phase_id: str,
    attempt: int,
    commit: str,
    variables: Mapping[str, str],
    spool: Path,
    seconds: float,
    place: Place | None = None,
) -> bool:
    """Whether every test that failed at ``commit`` fails at the base commit too.

    The workspace (the session's unless a ``place`` is given) holds ``commit``, and nothing of an
    agent's beside it, before and after. What is forgiven is recorded as a decision.
    """
    at = place or Place(session.workspace, session.tools)
    base = session.run().base_commit
    key = _key(session, base, failed, at.environment.venv)
    before = get_base_failures(session.db, key)
    if before is None:
        at.clean(base)
        try:
            there = await run_checks(
                [failed.check],
                workspace=at.workspace.path,
                environment=variables,
                supervisor=session.supervisor,
                spool=spool,
                seconds=seconds,
                forgive=_never,
            )
        finally:
            at.clean(commit)
        before = frozenset[str]() if there is None else there.tests
        if before is None:
            return False
        found = before
        session.db.transact(
            lambda conn: record_base_failures(conn, key, base, failed.check.argv, found)
        )
    tests = failed.tests or frozenset[str]()
    if not tests or not tests <= before:
        return False
    shown = ", ".join(sorted(tests)[:_NAMED])
    more = f" and {len(tests) - _NAMED} more" if len(tests) > _NAMED else ""
    reason = f"{len(tests)} tests failed before the run began: {shown}{more}"
    session.db.transact(
        lambda conn: record_decision(conn, session.lease, phase_id, attempt, "forgive", reason)
    )
    return True


async def _never(failed: FailedCheck) -> bool:
    return False


def _key(session: RunSession, base: str, failed: FailedCheck, venv: Path | None) -> str:
    """What the tests that fail at the base depend on: commit, command, what is installed."""
    made_from = [
        base,
        failed.check.path,
        list(failed.check.argv),
        machine_python(),
        None if session.plan.setup is None else [list(argv) for argv in session.plan.setup],
        _installed(venv),
    ]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _installed(venv: Path | None) -> list[str]:
    """The distributions in the run's Python environment, each with its version."""
    return sorted(path.name for path in venv.rglob("*.dist-info")) if venv else []
