"""`autopack open`: where a run is shown."""

from __future__ import annotations

import webbrowser
from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import Refused
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from deployments.api.page.prefect_links import flow_run_address, ui_address
from deployments.cli.shared.output import AsJson, note, out, print_json


def open_(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    browser: Annotated[bool, Parameter(help="Open it in a browser, too.")] = True,
    as_json: AsJson = False,
) -> int:
    """Show a run in the Prefect UI.

    Prints where it and its artifacts are, and opens that in a browser.
    """
    settings = Settings.from_environment()
    run = get_run(Database.open(settings.database_url), run_id)
    page = flow_run_address(settings, run.flow_run_id)
    ui = ui_address(settings)
    if page is None or ui is None:
        raise Refused(
            f"no page shows run {run_id}: "
            + ("no server with a UI is known" if ui is None else "it has no flow run yet"),
            field="run_id",
            hint="autopack up serves the UI; autopack show and autopack logs need none",
        )
    if as_json:
        print_json({"run_id": run_id, "url": page, "artifacts": f"{ui}/artifacts"})
        return 0
    out.print(page)
    out.print(f"artifacts: {ui}/artifacts")
    if browser and not webbrowser.open(page):
        note("no browser could be opened")
    return 0
