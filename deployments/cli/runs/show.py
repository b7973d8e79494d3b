"""`autopack runs`, `show` and `tokens`: reading what is stored."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from autopack.ledger.switches import refuse_if_off
from autopack.model.features import Feature
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.pauses import list_pauses, pauses_of_run
from autopack.store.runs import list_runs
from autopack.views.run_view import run_line, run_view, tokens_view
from deployments.cli.shared.output import (
    After,
    AsJson,
    Limit,
    cost_text,
    figure_text,
    found_by_judging,
    out,
    plain_table,
    print_json,
    print_run,
    state_text,
    unknown_text,
)

RunIdArgument = Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")]


def _database() -> Database:
    return Database.open(Settings.from_environment().database_url)


def runs(
    *,
    state: Annotated[
        str | None, Parameter(help="Only runs in this state; FAILED means any failed state.")
    ] = None,
    limit: Limit = 1000,
    after: After = None,
    as_json: AsJson = False,
) -> int:
    """List runs, newest first."""
    db = _database()
    page, pauses = list_runs(db, state=state, limit=limit, after=after), list_pauses(db)
    rows: list[dict[str, Any]] = [
        run_line(row) | {"goal": row.goal, "paused": bool(pauses_of_run(pauses, row))}
        for row in page.rows
    ]
    if as_json:
        print_json({"runs": rows, "next_cursor": page.next_cursor})
        return 0
    table = plain_table("run", "state", "created", "goal", wraps=("goal",))
    for row in rows:
        table.add_row(
            row["run_id"],
            state_text(row["state"], paused=row["paused"]),
            str(row["created_at"])[:19],
            row["goal"],
        )
    out.print(table if rows else "no runs")
    if page.next_cursor:
        out.print(f"more: --after {page.next_cursor}")
    return 0


def show(run_id: RunIdArgument, *, as_json: AsJson = False) -> int:
    """Show one run: its state, its phases, what it spent."""
    view = run_view(_database(), run_id)
    if as_json:
        print_json(view)
        return 0
    print_run(view)
    for line in found_by_judging(view):
        out.print(line)
    return 0


def tokens(
    run_id: Annotated[str, Parameter(help="The run, or a campaign.")], *, as_json: AsJson = False
) -> int:
    """Show what a run spent, by purpose and by role, and what it claims to have saved.

    Of a campaign, the same of all its runs together.
    """
    refuse_if_off(Feature.CONSOLIDATED_METRICS, process_environment())
    view = tokens_view(_database(), run_id)
    if as_json:
        print_json(view)
        return 0
    spent = view["spent"]
    table = plain_table("tokens", "", right=("",))
    for name in ("total", "input", "cache_read", "cache_write", "output", "unsplit"):
        table.add_row(name.replace("_", " "), figure_text(spent[name]))
    for part in ("by_category", "by_role"):
        for name, count in spent[part].items():
            table.add_row(f"{part.replace('_', ' ')}: {name}", figure_text(count))
    if view["claimed"] is not None:
        for name, figure in view["claimed"].items():
            table.add_row(name.replace("_", " "), "none" if figure is None else f"{figure:,}")
    out.print(table)
    if view["claimed"] is None:
        out.print("no claimed figures: consolidated_metrics was off")
    cost = cost_text(view)
    out.print(cost if cost.startswith("cost") else f"cost {cost}")
    if spent["unknown_builds"]:
        out.print(unknown_text(spent["unknown_builds"]))
    elif view["unreconciled_calls"]:
        out.print(f"{view['unreconciled_calls']} calls are under way, or were never recorded")
    return 0
