"""The tools of a run, installed into its own environment; again where they are not as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from autopack.environments.environment import (
    Checkout,
    EnvironmentFailed,
    Made,
    RunEnvironment,
    Wanted,
    environment_folder,
    prepare,
    record_anew,
)
from autopack.files.contents import (
    Stamps,
    altered,
    stamped_anew,
    stamps,
)
from autopack.files.savepoint import Savepoint
from autopack.model.commands import (
    Check,
    Command,
)
from autopack.process.supervisor import Exit
from autopack.runs.environment.install import Installing, run_install
from autopack.runs.session.session import RunSession
from autopack.settings import process_environment
from autopack.store.runs import set_setup_notes
from autopack.toolchains.needed import needed
from autopack.workspace.withheld import Aside
from autopack.workspace.workspace import Workspace

SAVEPOINT = "before-mitigation"
"""The folder of a run that keeps its environment while something is tried."""


async def prepare_environment(session: RunSession) -> RunEnvironment:
    """Install what the branch head needs, or find it installed. Raises EnvironmentFailed."""
    # What a process installed that died before it knew whether that helped is taken back.
    savepoint = Savepoint.left_behind(session.folder / SAVEPOINT)
    if savepoint is not None:
        savepoint.restore()
    commit = session.head()
    # A process that died while it judged has left the agent's ignored files there.
    await asyncio.to_thread(aside_of(session).give_back, session.workspace.path)
    await asyncio.to_thread(session.workspace.reset, commit)
    return await install(session, commit)


async def install(
    session: RunSession,
    commit: str,
    *,
    intact: bool | None = None,
    workspace: Workspace | None = None,
    folder: Path | None = None,
) -> RunEnvironment:
    """Make what setup makes of ``commit``, which ``workspace`` holds, unless it is there.

    ``intact`` says whether it is as setup left it; None has that looked up. ``workspace`` and
    ``folder`` are the session's unless another checkout is given an environment of its own.
    Raises EnvironmentFailed.
    """
    place, where = workspace or session.workspace, folder or session.folder
    log = where / "setup.log"  # not among the spools of phases, which have any name
    # A phase is started in the transaction that starts its first attempt.
    agents_worked = any(one.started_at is not None for one in session.snapshot().phases)

    async def run_step(argv: Command, cwd: Path, env: Mapping[str, str], label: str) -> Exit:
        left = session.seconds_left()
        how = Installing(log, left, agents_worked, workspace=place.path, folder=where)
        return await run_install(session, argv, cwd=cwd, env=env, how=how)

    phases = session.plan.phases
    named = [argv for phase in phases for argv in phase.checks or ()]
    inferred = any(phase.checks is None for phase in phases)
    wanted = Wanted(
        session.plan.setup,
        needed(session.toolchains, named, inferred=inferred),
        session.installs,
    )
    checkout = Checkout(
        place.path,
        tracked=session.mirror.paths(commit),
        clear=lambda: place.clear(commit),
        settle=lambda: _settle(place, commit),
        is_intact=lambda made: _is_intact(made, where, place, commit) if intact is None else intact,
    )
    try:
        made = await session.switch.guard(
            prepare(where, checkout, wanted, run_step=run_step, environ=process_environment())
        )
    except EnvironmentFailed as error:
        raise EnvironmentFailed(
            session.redactor.text(error.message),
            tail=session.redactor.text(error.tail),
            hint=error.hint,
        ) from None
    else:
        notes = [session.redactor.text(note) for note in made.notes]
        if folder is None and notes != (session.run().setup_notes or []):
            session.transact(lambda conn: set_setup_notes(conn, session.lease, notes))
        return made
    finally:
        session.redactor.file(log)


def record_installed(session: RunSession, commit: str, installs: Sequence[Check]) -> RunEnvironment:
    """Take what ``installs`` added just now for a part of what setup made.

    The worktree holds ``commit``, what setup made, and what they left; nothing of an agent's.
    """
    made = Made(stamps(session.tools.root), _settle(session.workspace, commit))
    return record_anew(session.folder, session.tools, made, [*session.installs, *installs])


def record_again(session: RunSession, environment: RunEnvironment) -> RunEnvironment:
    """Note the state of what setup made after hard links to it came or went."""
    was = environment.made
    there = session.workspace.extras(session.head()).there
    made = Made(
        stamped_anew(was.environment, stamps(session.tools.root)),
        stamped_anew(was.workspace, there),
    )
    return record_anew(session.folder, environment, made, session.installs)


def aside_of(session: RunSession) -> Aside:
    """Return where files of the worktree wait while it is judged; no build and no check writes
    there.
    """
    return Aside(session.folder / "uncommitted")


def _settle(workspace: Workspace, commit: str) -> Stamps:
    """Drop what setup left that git would clean away anyhow; return what stays beside ``commit``.

    By-products that it made are no part of any change, also in folders that the project tracks.
    """
    workspace.note_installed(workspace.extras(commit).paths)
    workspace.reset(commit)
    found = workspace.extras(commit)
    return {path: found.there[path] for path in found.paths}


def _is_intact(made: Made, folder: Path, workspace: Workspace, commit: str) -> bool:
    found = workspace.extras(commit)
    in_workspace = {p: at for p, at in made.workspace.items() if p not in found.tracked}
    return not altered(made.environment, stamps(environment_folder(folder))) and not altered(
        in_workspace, found.there
    )
