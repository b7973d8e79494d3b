"""Trying what a watching pattern would do, in a checkout of its own: a fact to judge it by.

A sample of the hits is tried, at the attempt's own tree, in an environment that is made for it and
thrown away, without a model. What acts on the run is not touched. A proposal that changes files of
the attempt is not tried: whether reverting them is right is for the run itself to find out.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from autopack.environments.checks import run_checks
from autopack.environments.environment import EnvironmentFailed, RunEnvironment
from autopack.environments.setup_steps import SetupSteps
from autopack.files import safe_files
from autopack.files.untrusted import remove_tree
from autopack.model.causes import Failure
from autopack.model.commands import Check, Command
from autopack.model.errors import GitFailed
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.process import leftovers
from autopack.process.supervisor import Exit
from autopack.repair.facts import RepairState
from autopack.repair.holdout import SEED, draw
from autopack.repair.lifecycle.transitions import advance
from autopack.repair.patterns import Proposal
from autopack.runs.environment.install import Installing, run_install
from autopack.runs.environment.run_environment import install
from autopack.runs.repair.apply_proposal import Work
from autopack.runs.repair.run_patterns import run_patterns
from autopack.runs.session.session import RunSession
from autopack.settings import process_environment
from autopack.store.leases import fence
from autopack.store.pattern_hits import HitRow, Verdict, judge_hit, note_tried, phase_hits
from autopack.workspace.workspace import Workspace

SAMPLE = 0.2
"""The share of hits that is tried."""

MOST_SECONDS = 300.0
_SHARE_OF_TIME = 0.1
"""At most so much of what the run has left goes into one trial."""

_FOLDER = "trial"


async def try_mitigations(session: RunSession, key: AttemptKey, repair: RepairState) -> None:
    """Try what patterns would do about a failure that the attempt ended with, and judge them."""
    failure = repair.failure
    if failure is None or failure.check is None or not session.has(Feature.FAILURE_HARDENING):
        return
    for hit in phase_hits(session.db, key.run_id, key.phase_id):
        if hit.attempt == key.attempt and _is_due(hit):
            await _try_one(session, key, repair, hit)


def _is_due(hit: HitRow) -> bool:
    """Return whether a hit that nothing was done about is in the sample."""
    acted = hit.state == "mitigate" and hit.arm != "held_out"
    drawn = draw(f"trial {SEED}", hit.run_id, hit.phase_id, hit.pattern_id, SAMPLE)
    untouched = hit.verdict is None and hit.tried is None
    return untouched and not acted and drawn is not None and drawn.arm == "held_out"


async def _try_one(session: RunSession, key: AttemptKey, repair: RepairState, hit: HitRow) -> None:
    failure = repair.failure
    found = next((one for one in run_patterns(session) if one.detector.digest == hit.digest), None)
    if failure is None or found is None:
        return
    work = Work.of(session, key, repair)
    match = found.pattern.detect(work.evidence(failure))
    if match is None:
        return
    proposal = found.pattern.propose(work.evidence(failure), match)
    if proposal.stops or not proposal.acts or proposal.revert or proposal.add_modes:
        return
    seconds = min(MOST_SECONDS, session.seconds_left() * _SHARE_OF_TIME)
    trial = _Trial(session, key, work.commit, seconds)
    try:
        passed, said = await asyncio.wait_for(trial.of(failure, proposal), seconds)
    except TimeoutError:
        passed, said = None, f"it was not over after {seconds:.0f} s"
    except (EnvironmentFailed, GitFailed, OSError) as error:
        passed, said = None, f"it could not be made: {error}"
    finally:
        await asyncio.to_thread(remove_tree, session.folder / _FOLDER)
    why = session.redactor.text(said)

    def write(conn: Connection) -> None:
        fence(conn, session.lease)
        note_tried(conn, hit.id, why)
        if passed is not None:
            verdict: Verdict = "right" if passed else "wrong"
            judge_hit(conn, hit.id, verdict, by="trial", why=why)
            advance(conn, hit.pattern_id, hit.digest)

    session.transact(write, ())


@dataclass(frozen=True)
class _Trial:
    """A checkout of an attempt's tree with an environment of its own, for a bounded time."""

    session: RunSession
    key: AttemptKey
    commit: str
    seconds: float

    @property
    def folder(self) -> Path:
        return self.session.folder / _FOLDER

    async def of(self, failure: Failure, proposal: Proposal) -> tuple[bool | None, str]:
        """Return whether the proposal makes the failed check pass, None where that says nothing;
        and what happened.
        """
        session = self.session
        allowed = session.plan.policy.execute_fix
        refused = next((one for one in proposal.listed if one not in allowed), None)
        if refused is not None:
            return None, f"`{shlex.join(refused)}` is not listed under policy.execute_fix"
        if proposal.unlisted:
            return None, "it installs what no manifest declares"
        await asyncio.to_thread(remove_tree, self.folder)
        safe_files.make_folder(self.folder, below=session.folder)
        place = await asyncio.to_thread(session.workspace.beside, self.folder / "work", self.commit)
        try:
            environment = await install(
                session, self.commit, intact=True, workspace=place, folder=self.folder
            )
            return await self._in(place, environment, failure, proposal)
        finally:
            await asyncio.to_thread(place.remove)

    async def _in(
        self, place: Workspace, environment: RunEnvironment, failure: Failure, proposal: Proposal
    ) -> tuple[bool | None, str]:
        check = failure.check or Check(".", ())
        # What setup makes of this very tree is what installing the declared would make.
        does_more = bool(proposal.listed or proposal.recheck or proposal.unlisted)
        passes = await self._passes(place, environment, check)
        if not does_more:
            return passes, f"the check {'passed' if passes else 'failed'} in a checkout of its own"
        if passes:
            return None, "the check passed in a checkout of its own before anything was done"
        for argv in proposal.listed:
            await self._run(place, environment, argv)
        again = proposal.recheck or check
        passes = await self._passes(place, environment, again)
        return passes, f"after it the check {'passed' if passes else 'failed'}"

    async def _passes(self, place: Workspace, environment: RunEnvironment, check: Check) -> bool:
        session = self.session
        variables = {
            **environment.variables,
            **place.environment,
            **session.marks,
            **leftovers.marker_env(self.key),
        }
        spool = safe_files.make_folder(self.folder / "spool", below=session.folder)
        failed = await session.switch.guard(
            run_checks(
                [check],
                workspace=place.path,
                environment=variables,
                supervisor=session.supervisor,
                spool=spool / "check.log",
                seconds=self.seconds,
            )
        )
        return failed is None

    async def _run(
        self, place: Workspace, environment: RunEnvironment, argv: Sequence[str]
    ) -> None:
        session = self.session
        log = self.folder / "mitigation.log"
        how = Installing(log, self.seconds, True, workspace=place.path, folder=self.folder)

        async def step(argv: Command, cwd: Path, env: Mapping[str, str], label: str) -> Exit:
            return await run_install(session, argv, cwd=cwd, env=env, how=how)

        steps = SetupSteps(self.folder, place.path, environment.venv, step, process_environment())
        await session.switch.guard(steps.carry_out(Check(".", tuple(argv))))
