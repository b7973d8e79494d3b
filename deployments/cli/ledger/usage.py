"""`autopack usage`: what a period used, by model, role, category, day or run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from autopack.ledger.consolidated import usage as usage_of_period
from autopack.ledger.period import parse_period
from autopack.model.counted import counted
from autopack.model.errors import BadInput
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.views.escaping import write_csv
from autopack.views.usage_view import ALL, FIGURES, usage_view
from deployments.cli.shared.commands_by_name import add_by_name
from deployments.cli.shared.output import (
    After,
    AsJson,
    Limit,
    out,
    plain_table,
    print_json,
    print_uncut,
    unknown_text,
)
from deployments.cli.shared.paging import say_more

app = App(name="usage", help_format="plaintext")
add_by_name(
    app,
    "deployments.cli.projects.builders:parse",
    name="parse",
    line="Read what an agent says it spent.",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Between:
    """The days that count."""

    since: Annotated[str | None, Parameter(help="From this UTC day on: 7d, 4w, 2026-01-31.")] = None
    until: Annotated[str | None, Parameter(help="Up to this UTC day, included.")] = None


_ALWAYS = Between()


@app.default
def usage(
    *,
    by: Annotated[
        Literal["model", "role", "category", "day", "run"], Parameter(help="One row for each.")
    ] = "model",
    between: Between = _ALWAYS,
    limit: Limit = 1000,
    after: After = None,
    include_simulated: Annotated[
        bool,
        Parameter(negative="", help="Count calls of recordings and simulations, too."),
    ] = False,
    as_csv: Annotated[
        bool, Parameter(name="--csv", negative="", help="Print comma-separated values instead.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show what a period used.

    By all runs; without a period, since the beginning.
    """
    if as_csv and as_json:
        raise BadInput("--csv and --json exclude each other", field="--csv", hint="drop one")
    now = datetime.now(UTC)
    period = parse_period(between.since, between.until, now, prefix="--")
    first, last = period.first_day, period.last_day
    db = Database.open(Settings.from_environment().database_url)
    page = usage_of_period(
        db,
        by=by,
        since=first,
        until=last,
        limit=limit,
        after=after,
        include_simulated=include_simulated,
    )
    view = usage_view(page, by=by, period=period, include_simulated=include_simulated)
    if as_json:
        print_json(view)
    elif as_csv:
        header = [by, *ALL]
        write_csv(sys.stdout, header, [[row[name] for name in header] for row in view["rows"]])
    else:
        _print(by, view["rows"], view["total"], page.next_cursor)
        if page.unknown_builds:
            out.print(unknown_text(page.unknown_builds))
        if page.simulated_calls:
            calls = counted(page.simulated_calls, "call")
            are = "is" if page.simulated_calls == 1 else "are"
            how = "counted" if include_simulated else "not counted: --include-simulated"
            out.print(f"{calls} of recordings and simulations {are} {how}")
    return 0


def _print(by: str, rows: list[dict[str, Any]], total: dict[str, Any], cursor: str | None) -> None:
    headers = [name.replace("_", " ") for name in FIGURES]
    table = plain_table(by, *headers, right=tuple(headers))
    for row in [*rows, {by: "total", **total}]:
        figures = [f"{row[name]:,}" for name in FIGURES[:-1]]
        cost = "unknown" if row["cost"] is None else f"${row['cost']:,.4f}"
        table.add_row(str(row[by]), *figures, cost)
    if rows:
        print_uncut(table)
    else:
        out.print("nothing was used")
    say_more(cursor)
