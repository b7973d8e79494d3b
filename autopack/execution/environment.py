"""The tools of a run: found once at its base commit, installed once into its own environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from autopack.execution.acting import undo_unfinished
from autopack.execution.installing import run_install
from autopack.execution.session import RunSession
from autopack.plan.values import Command
from autopack.store.runs import get_attempts
from autopack.store.states import AttemptState
from autopack.validation.environment import EnvironmentFailed, RunEnvironment, prepare
from autopack.workspace.process import Exit


async def prepare_environment(session: RunSession) -> RunEnvironment:
    """Install what the project needs, or find it installed. Raises EnvironmentFailed."""
    undo_unfinished(session)
    log = session.folder / "setup.log"  # not among the spools of phases, which have any name
    attempts = get_attempts(session.db, session.run_id)
    if attempts:
        # What an agent left in the workspace and nobody recorded has no say in what is installed.
        built = [one.commit for one in attempts if one.state is AttemptState.BUILT and one.commit]
        session.workspace.reset(built[-1] if built else session.head())

    async def run_step(argv: Command, cwd: Path, env: Mapping[str, str], label: str) -> Exit:
        return await run_install(
            session,
            argv,
            cwd=cwd,
            env=env,
            log=log,
            seconds=session.seconds_left(),
            agents_worked=bool(attempts),
        )

    try:
        return await session.switch.guard(
            prepare(
                folder=session.folder,
                workspace=session.workspace.path,
                setup=session.plan.setup,
                detected=session.toolchains,
                run_step=run_step,
                environ=os.environ,
            )
        )
    except EnvironmentFailed as error:
        raise EnvironmentFailed(
            session.redactor.text(error.message),
            tail=session.redactor.text(error.tail),
            hint=error.hint,
        ) from None
    finally:
        session.redactor.file(log)
