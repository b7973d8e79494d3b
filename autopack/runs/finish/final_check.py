"""The check at the end of a run: the whole plan's checks on its head, in a fresh checkout.

Setup is done anew for it, in an environment of its own. Where setup cannot be repeated (it worked
once, from the same manifests), the checks run in the run's own worktree and environment, which
hold the head commit and what setup made, and the result says so.

A later phase may undo what an earlier one's check asked for (a test that must fail before it is
made to pass). Such a check fails in the run's own worktree just as well: that is told, and no
reason to doubt the commit. The checks of the last phase always hold.
"""

from __future__ import annotations

import asyncio
import functools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autopack.environments.checks import FailedCheck, run_checks
from autopack.environments.environment import EnvironmentFailed, RunEnvironment
from autopack.files import safe_files
from autopack.files.untrusted import remove_tree
from autopack.model.commands import (
    Check,
)
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState
from autopack.process import leftovers
from autopack.runs.attempt.baseline import Judged, Place, ignore_baseline_failures
from autopack.runs.attempt.committed_tree import only_committed
from autopack.runs.attempt.judge import phase_checks
from autopack.runs.environment.run_environment import install
from autopack.runs.repair.mitigate import RECHECKED
from autopack.runs.run_folder import remove_misplaced
from autopack.runs.session.session import FINAL, RunSession
from autopack.runs.spools.blame import failure_of
from autopack.store.mitigations import get_mitigations
from autopack.store.runs import get_attempts, get_phases, set_final_check
from autopack.workspace.workspace import Workspace

_LEAST_SECONDS = 600.0
_Environment = Literal["fresh", "of the run"]


@dataclass(frozen=True)
class _ToCheck:
    """The checks of a phase that no later phase has, and whether old failures are ignored."""

    phase_id: str
    checks: tuple[Check, ...]
    ignores_baseline: bool
    was_replaced: bool = False
    """Whether a mitigation had the phase judged by another command."""


async def check_head(session: RunSession) -> str | None:
    """Run every check of the plan on the head commit; return why it fails, None when it passes.

    What was found is stored with the run.
    """
    wanted = _wanted(session)
    head = session.head()
    if not wanted or session.run().head_commit is None:
        return None
    environment: _Environment = "fresh"
    outdated: list[tuple[_ToCheck, str]] = []
    try:
        try:
            failed = await _in_fresh_checkout(session, head, wanted, outdated)
        except EnvironmentFailed:
            environment = "of the run"
            failed = await _in_worktree(session, head, wanted)
        message = None if failed is None else _told(failed, head)
    except Exception as error:
        failed, message = None, failure_of(error, f"checking {head[:12]} once more").message
    finally:
        session.redactor.folder(_spool(session))
        await asyncio.to_thread(remove_tree, session.folder / FINAL)
    message = None if message is None else session.redactor.text(message)
    found: dict[str, Any] = {
        "commit": head,
        "passed": message is None,
        "environment": environment,
        "checks": [shlex.join(check.argv) for one in wanted for check in one.checks],
        "failed": None if failed is None else failed[1].message,
        "phase_id": None if failed is None else failed[0],
        "message": message,
        "outdated": [{"phase_id": one.phase_id, "message": why} for one, why in outdated],
    }
    session.transact(lambda conn: set_final_check(conn, session.lease, found))
    return message


def _wanted(session: RunSession) -> list[_ToCheck]:
    done = {
        row.phase_id
        for row in get_phases(session.db, session.run_id)
        if row.state is PhaseState.COMPLETE
    }
    rechecked = {
        row["phase_id"]
        for row in get_mitigations(session.db, session.run_id)
        if row["fixed"] and any(action.startswith(RECHECKED) for action in row["actions_taken"])
    }
    wanted: list[_ToCheck] = []
    seen: set[tuple[Check, bool]] = set()
    for phase in reversed(session.plan.ordered()):
        named = phase.checks is not None
        checks = [check for check in phase_checks(session, phase) if (check, named) not in seen]
        seen.update((check, named) for check in checks)
        if phase.id in done and checks:
            replaced = phase.id in rechecked
            wanted.append(_ToCheck(phase.id, tuple(checks), not named, was_replaced=replaced))
    return wanted[::-1]


async def _in_fresh_checkout(
    session: RunSession,
    head: str,
    wanted: Sequence[_ToCheck],
    outdated: list[tuple[_ToCheck, str]],
) -> tuple[str, FailedCheck] | None:
    folder = session.folder / FINAL
    await asyncio.to_thread(remove_misplaced, session.folder, session.mirror)
    await asyncio.to_thread(remove_tree, folder)
    safe_files.make_folder(folder, below=session.folder)
    workspace = await asyncio.to_thread(session.workspace.beside, folder / "work", head)
    try:
        environment = await install(session, head, intact=True, workspace=workspace, folder=folder)
        left = list(wanted)
        while left:
            failed = await _run(session, head, left, workspace, environment)
            if failed is None:
                return None
            one = next(each for each in left if each.phase_id == failed[0])
            left = left[left.index(one) + 1 :]
            must_hold = not left and not one.was_replaced
            if must_hold or await _in_worktree(session, head, [one]) is None:
                return failed
            outdated.append((one, failed[1].message))
        return None
    finally:
        await asyncio.to_thread(workspace.remove)


async def _in_worktree(
    session: RunSession, head: str, wanted: Sequence[_ToCheck]
) -> tuple[str, FailedCheck] | None:
    async with only_committed(session, head):
        return await _run(session, head, wanted, session.workspace, session.tools)


async def _run(
    session: RunSession,
    head: str,
    wanted: Sequence[_ToCheck],
    workspace: Workspace,
    environment: RunEnvironment,
) -> tuple[str, FailedCheck] | None:
    spool = _spool(session)
    safe_files.make_folder(spool, below=session.folder)
    place = Place(workspace, environment)
    for one in wanted:
        failed = await _run_those(session, head, one, place, spool)
        if failed is None and one is wanted[-1]:
            return None
        # Files that a check left are no part of the commit that the next one sees.
        await asyncio.to_thread(place.clean, head)
        if failed is not None:
            return one.phase_id, failed
    return None


async def _run_those(
    session: RunSession, head: str, one: _ToCheck, place: Place, spool: Path
) -> FailedCheck | None:
    attempts = get_attempts(session.db, session.run_id, one.phase_id)
    number = attempts[-1].attempt if attempts else 0  # kept from the run that this one retries
    key = AttemptKey(session.run_id, one.phase_id, number)
    variables = {
        **place.environment.variables,
        **place.workspace.environment,
        **session.marks,
        **leftovers.marker_env(key),
    }
    # The work is paid for: at the run's cap on minutes it is still worth knowing.
    seconds = max(session.seconds_left(), _LEAST_SECONDS)
    judged = Judged(key, head, variables, spool / "base.log", seconds, place)
    ignore = functools.partial(ignore_baseline_failures, session, judged=judged)
    return await session.switch.guard(
        run_checks(
            one.checks,
            workspace=place.workspace.path,
            environment=variables,
            supervisor=session.supervisor,
            spool=spool / "checks.log",
            seconds=seconds,
            ignore=ignore if one.ignores_baseline else None,
        )
    )


def _spool(session: RunSession) -> Path:
    return session.folder / "final-check"


def _told(failed: tuple[str, FailedCheck], head: str) -> str:
    phase_id, check = failed
    lines = [line.strip() for line in check.output.splitlines() if line.strip()]
    last = f": {lines[-1][:300]}" if lines else ""
    return (
        f"the head commit {head[:12]} fails a check of phase {phase_id} in a fresh checkout: "
        f"{check.message}{last}"
    )
