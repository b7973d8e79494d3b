"""What a stored run is about: its plan, and its repository on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from autopack.model.errors import AutopackError, Refused, RepositoryError
from autopack.model.locations import is_url
from autopack.plan.plan import Plan
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.runs import RunRow, get_plan_body, get_run
from autopack.workspace.mirror import Mirror
from autopack.workspace.remarks import remarks
from autopack.workspace.source import SourceRepository


def plan_of(db: Database, run: RunRow) -> Plan:
    """Return the run's plan, as it was stored."""
    return Plan.from_json(json.dumps(get_plan_body(db, run.plan_hash)))


def unfinished(db: Database, run_id: str, *, reopen: bool = False) -> RunRow:
    """Return the run. Raises Refused when it has ended, NotFound when there is none.

    With ``reopen`` one that ended for its environment may continue.
    """
    run = get_run(db, run_id)
    if run.state.is_final and not (reopen and run.state.can_reopen):
        raise Refused(
            f"run {run_id} is finished: {run.state.value}",
            field="run_id",
            hint=f"autopack show {run_id}",
        )
    return run


def is_here(run: RunRow) -> bool:
    """Return whether the repository that the run was started from can be reached from this
    machine.
    """
    return is_url(run.repo) or Path(run.repo).exists()


def repository_remarks(db: Database, run: RunRow, settings: Settings) -> list[str]:
    """Return what the user should know of the repository before the run starts.

    Nothing where that cannot be found out: what keeps a run from starting says so itself.
    """
    try:
        name = find_folder(settings.home, db, run.run_id).name
        mirror = Mirror.open(settings.home, source_of(run), alias=(run.run_id, name))
        mirror.ensure(run.base_commit, run.run_id)
        return remarks(mirror, run.base_commit)
    except AutopackError:
        return []


def source_of(run: RunRow, repo: str | None = None) -> SourceRepository:
    """Return the user's repository on this machine: ``repo`` where it has another path here.

    Raises RepositoryError.
    """
    if repo is None and not is_here(run):
        raise RepositoryError(
            f"run {run.run_id} was started from {run.repo}, which does not exist on this machine",
            field="repo",
            hint=f"name this machine's clone of it: autopack resume {run.run_id} --repo DIR",
        )
    return SourceRepository.open(repo or run.repo)
