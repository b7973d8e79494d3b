"""Running what installs: unconfined before an agent has worked, confined afterwards.

What is installed at the run's base commit is the user's own, and uses the user's caches. Once an
agent has worked, manifests, lock files and scripts may be its work, and so is what they start:
with the sandbox it writes the worktree, the environment and caches of the run's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.environments.environment import environment_folder
from autopack.files import safe_files
from autopack.model.commands import (
    Command,
)
from autopack.process.run_options import RunOptions
from autopack.process.supervisor import Exit
from autopack.runs.session.session import RunSession
from autopack.toolchains.toolchain_registry import toolchains

_CACHES = "caches"


@dataclass(frozen=True)
class Installing:
    """How something is installed: its output goes to ``log``, and it ends after ``seconds``.

    ``workspace`` and ``folder``, where the environment is, are the session's unless given.
    """

    log: Path
    seconds: float
    agents_worked: bool
    workspace: Path | None = None
    folder: Path | None = None


async def run_install(
    session: RunSession, argv: Command, *, cwd: Path, env: Mapping[str, str], how: Installing
) -> Exit:
    """Run one step of a setup or a mitigation."""
    supervisor = session.supervisor
    confined = how.agents_worked and supervisor.confines
    writable = [
        how.workspace or session.workspace.path,
        safe_files.make_folder(
            environment_folder(how.folder or session.folder), below=session.folder
        ),
    ]
    caches: dict[str, str] = {}
    if confined:
        # The user's caches would be read by other runs, and by the user.
        own = safe_files.make_folder(session.folder / _CACHES, below=session.folder)
        writable.append(own)
        caches = {"XDG_CACHE_HOME": str(own)}
        for one in toolchains():
            caches |= {name: str(own / folder) for name, folder in one.caches.items()}
    return await supervisor.run(
        argv,
        cwd=cwd,
        env={**env, **caches, **session.marks},
        timeout=how.seconds,
        spool=how.log,
        options=RunOptions(
            writable=writable,
            readable=[Path.home() / name for one in toolchains() for name in one.index_settings],
            confined=confined,
        ),
    )
