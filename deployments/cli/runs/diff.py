"""`autopack diff`: what a run changed, or one phase or attempt of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from autopack.views.run_changes import run_changes
from deployments.cli.shared.output import AsJson, out, print_json


def diff(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    phase: Annotated[str | None, Parameter(help="Only what this phase changed.")] = None,
    attempt: Annotated[
        int | None, Parameter(help="What this attempt at the phase left, also a failed one.")
    ] = None,
    stat: Annotated[
        bool, Parameter(negative="", help="Only the files, and how many lines of each.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show what a run changed.

    Since its base commit, or what one phase or attempt changed. Reads Autopack's own clone; your
    repository is not touched.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    changes = run_changes(db, settings, get_run(db, run_id), phase, attempt)
    files = changes.files()
    if as_json:
        print_json(
            {
                "run_id": run_id,
                "base": changes.before,
                "commit": changes.after,
                "files": [asdict(one) for one in files],
                "diff": None if stat else changes.text(),
            }
        )
        return 0
    if not files:
        out.print("nothing was changed")
        return 0
    out.print(changes.text(*(["--stat"] if stat else [])).rstrip())
    return 0
