"""The tools of a run: found once at its base commit, installed once into its own environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from autopack.execution.acting import undo_unfinished
from autopack.execution.session import RunSession
from autopack.plan.values import Command
from autopack.validation.environment import EnvironmentFailed, RunEnvironment, prepare
from autopack.workspace.process import Exit


async def prepare_environment(session: RunSession) -> RunEnvironment:
    """Install what the project needs, or find it installed. Raises EnvironmentFailed."""
    undo_unfinished(session)
    log = session.folder / "setup.log"  # not among the spools of phases, which have any name

    async def run_step(argv: Command, cwd: Path, env: Mapping[str, str], label: str) -> Exit:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return await session.supervisor.run(
            argv,
            cwd=cwd,
            env={**env, **session.marks},
            timeout=session.seconds_left(),
            spool=log,
            # It installs what the plan names, and needs the user's caches and package indexes.
            confined=False,
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
        if log.exists():
            session.redactor.file(log)
