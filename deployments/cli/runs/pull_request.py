"""`autopack pr`: the pull request of a run that succeeded, opened or brought up to date by hand."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import Refused
from autopack.model.states import RunState
from autopack.runs.delivery.pull_request import open_pull_request
from autopack.runs.session.fetch import refs_of
from autopack.runs.stored_run import source_of
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.runs import get_attempts, get_plan_body, get_run, set_pull_request
from autopack.views.pull_request_report import report_of
from autopack.views.run_view import run_view
from autopack.workspace.mirror import Mirror
from deployments.cli.shared.output import AsJson, out, print_json


def pull_request(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    ready: Annotated[bool, Parameter(negative="", help="For review; default: as a draft.")] = False,
    repo: Annotated[
        str | None,
        Parameter(help="This machine's clone of its repository, when that lies elsewhere here."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Open the pull request of a run that succeeded.

    Its branch is pushed by `gh` or `glab`, with your login there; a pull request that is open is
    brought up to date. Nothing is merged, and nothing is done twice.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    run = get_run(db, run_id)
    if run.state is not RunState.DONE_SUCCESS or run.head_commit is None:
        raise Refused(
            f"run {run_id} is {run.state.value}: only a run that succeeded has a pull request",
            field="run_id",
            hint=f"autopack show {run_id}",
        )
    source = source_of(run, repo)
    name = find_folder(settings.home, db, run_id).name
    mirror = Mirror.open(settings.home, source, alias=(run_id, name))
    report = report_of(run_view(db, run_id), get_plan_body(db, run.plan_hash), run.toolchains)
    ours = refs_of(get_attempts(db, run_id))
    found = open_pull_request(run, mirror, report, ours=ours, ready=ready or run.pr == "ready")
    db.transact(lambda conn: set_pull_request(conn, run_id, found))
    if as_json:
        print_json({"run_id": run_id, **found})
    else:
        out.print(f"{found['state']}  {found['url']}")
    return 0
