"""`autopack fetch`: the commit of an attempt, in the user's repository."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import NotFound
from autopack.runs.finish.hand_over import fetch_attempt
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts, get_phases, get_run
from deployments.cli.shared.output import AsJson, out, print_json


def fetch(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    phase: Annotated[
        str | None, Parameter(help="The phase; else the last one that was attempted.")
    ] = None,
    attempt: Annotated[
        int | None, Parameter(help="The attempt; else the last one that left a commit.")
    ] = None,
    repo: Annotated[
        str | None,
        Parameter(help="This machine's clone of its repository, when that lies elsewhere here."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Bring the commit of an attempt into your repository.

    It comes as a ref that no branch shows. Failed attempts have one, too: look at it with git diff,
    or begin with it in a retry.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    chosen = phase or _last_attempted(db, run_id)
    found = fetch_attempt(run_id, chosen, attempt, db=db, settings=settings, repo=repo)
    if as_json:
        print_json(asdict(found))
    elif found.is_there:
        out.print(f"{found.ref}  {found.commit}")
    else:
        out.print(found.command)
    return 0


def _last_attempted(db: Database, run_id: str) -> str:
    get_run(db, run_id)
    attempted = {one.phase_id for one in get_attempts(db, run_id)}
    phases = [row.phase_id for row in get_phases(db, run_id) if row.phase_id in attempted]
    if not phases:
        raise NotFound(f"run {run_id} has no attempt yet", field="run_id")
    return phases[-1]
