"""`autopack reconcile`: resuming and cleaning up after processes that crashed."""

from __future__ import annotations

from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import abandoned_runs
from deployments.cli.shared.executing import execute_many
from deployments.cli.shared.output import AsJson, out, plain_table, print_json
from deployments.cli.shared.serving import start_server
from flows.process import INTERRUPTED


def reconcile(*, as_json: AsJson = False) -> int:
    """Resume orphaned runs and clean up after crashed processes.

    Runs that crash repeatedly are closed. What is removed is Autopack's own: leftover processes,
    checkouts of runs that have ended, and folders of runs that this database no longer knows.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    answers = start_server(settings)
    found = abandoned_runs(db)

    async def work() -> dict[str, int]:
        from flows.reconciling import reconcile

        return await reconcile()

    counts = execute_many(work, db=db, run_ids=lambda: found, server_answers=answers)
    code = INTERRUPTED if is_stopping() else 0
    if as_json:
        print_json(counts)
        return code
    table = plain_table("what", "number", right=("number",))
    for name, number in counts.items():
        table.add_row(name.replace("_", " "), f"{number:,}")
    out.print(f"{db.url_masked}\n")
    out.print(table)
    return code
