"""Baseline failures: ignored where nobody named the command that shows them.

The results of the tests at the run's base commit are found once, with the same command in the same
environment, and kept; an attempt is answerable only for what fails besides, and for tests that had
a result before and have none now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autopack.environments.checks import FailedCheck, run_checks
from autopack.environments.environment import RunEnvironment, machine_python
from autopack.files.untrusted import remove_tree
from autopack.model.ids import AttemptKey
from autopack.runs.session.session import RunSession
from autopack.store.mitigations import get_base_failures, record_base_failures
from autopack.store.runs import record_decision
from autopack.toolchains.baseline_results import answerable, named
from autopack.toolchains.runners import Results
from autopack.workspace.workspace import Workspace

# Raised when results are read otherwise, so that those of an earlier version are not compared.
_READING = 2
_MOST_NAMES = 20_000


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


@dataclass(frozen=True)
class Judged:
    """The commit of an attempt whose checks are run, and how they are.

    The session's checkout holds it, unless a ``place`` is given.
    """

    key: AttemptKey
    commit: str
    variables: Mapping[str, str]
    spool: Path
    seconds: float
    place: Place | None = None


async def ignore_baseline_failures(
    session: RunSession,
    failed: FailedCheck,
    judged: Judged,
) -> str | None:
    """Return what the attempt has to answer for; None when every failure was there before.

    The workspace holds the commit, and nothing of an agent's beside it, before and after. What is
    ignored is recorded as a decision.
    """
    base, now = session.run().base_commit, failed.results
    if now is None:
        return ""
    at = judged.place or Place(session.workspace, session.tools)
    key = _key(session, base, failed, at.environment.venv)
    stored = get_base_failures(session.db, key)
    if stored is None:
        found = await _at_base(session, failed, base, judged, at)
        if found is None:
            return "the tests gave no whole account of themselves before the run began"
        stored = _as_json(found)
        kept = stored
        session.transact(
            lambda conn: record_base_failures(conn, key, base, failed.check.argv, kept)
        )
    changes = session.mirror.changed_paths(base, judged.commit)
    deleted = [change.path for change in changes if change.status == "D"]
    why = answerable(_of_json(stored), now, deleted)
    if why is not None:
        return why
    reason = f"{len(now.failed)} tests failed before the run began: {named(now.failed)}"
    if judged.place is None:  # at the end of the run it has been decided long ago
        session.transact(
            lambda conn: record_decision(conn, session.lease, judged.key, "baseline", reason)
        )
    return None


async def _at_base(
    session: RunSession, failed: FailedCheck, base: str, judged: Judged, at: Place
) -> Results | None:
    """Return the results at the base commit; None when the command gives no whole account there."""
    at.clean(base)
    try:
        there = await run_checks(
            [failed.check],
            workspace=at.workspace.path,
            environment=judged.variables,
            supervisor=session.supervisor,
            spool=judged.spool,
            seconds=judged.seconds,
            ignore=_never,
        )
    finally:
        at.clean(judged.commit)
    return Results(frozenset()) if there is None else there.results


async def _never(failed: FailedCheck) -> str:
    return ""


def _as_json(results: Results) -> dict[str, Any]:
    ran = results.ran if results.ran is not None and len(results.ran) <= _MOST_NAMES else None
    return {
        "failed": sorted(results.failed),
        "ran": None if ran is None else sorted(ran),
        "count": results.count,
    }


def _of_json(stored: Mapping[str, Any]) -> Results:
    ran = stored["ran"]
    return Results(
        frozenset(stored["failed"]), None if ran is None else frozenset(ran), stored["count"]
    )


def _key(session: RunSession, base: str, failed: FailedCheck, venv: Path | None) -> str:
    """Return what the tests that fail at the base depend on: commit, command, what is installed."""
    made_from = [
        _READING,
        base,
        failed.check.path,
        list(failed.check.argv),
        machine_python(),
        None if session.plan.setup is None else [list(argv) for argv in session.plan.setup],
        _installed(venv),
    ]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _installed(venv: Path | None) -> list[str]:
    """Return the distributions in the run's Python environment, each with its version."""
    return sorted(path.name for path in venv.rglob("*.dist-info")) if venv else []
