"""`autopack patterns mine`: what keeps failing although no pattern knows it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

from cyclopts import Parameter

from autopack.mining.mine import Mined
from autopack.mining.mine import as_json as mined_as_json
from autopack.mining.mine import mine as mine_errors
from autopack.model.errors import BadInput
from autopack.model.pages import check_limit
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.views.escaping import write_csv
from deployments.cli.shared.output import (
    After,
    AsJson,
    Limit,
    figure_text,
    note,
    out,
    plain_table,
    print_json,
)
from deployments.cli.shared.paging import page_of, say_more

_SHORT = 12
_LINE = 160
_COLUMNS = (
    "signature",
    "family",
    "type",
    "count",
    "runs",
    "phases",
    "attempts",
    "tokens",
    "cost",
    "cost_known",
    "confidence",
    "priority",
    "first_seen",
    "last_seen",
    "known_pattern",
    "normalised",
)


def mine(
    *,
    since: Annotated[
        str | None, Parameter(help="Only errors from then on: 30d, 4w, 2026-01-31.")
    ] = None,
    min_: Annotated[
        int, Parameter(name="--min", help="Only failures with at least so many occurrences.")
    ] = 1,
    limit: Limit = 1000,
    after: After = None,
    report: Annotated[
        Path | None, Parameter(help="A folder to write the report to, as Markdown and HTML.")
    ] = None,
    as_csv: Annotated[
        bool, Parameter(name="--csv", negative="", help="Print comma-separated values instead.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Say what keeps failing that no pattern caught.

    The costliest comes first.
    """
    if as_csv and as_json:
        raise BadInput("--csv and --json exclude each other", field="--csv", hint="drop one")
    check_limit(limit)
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    mined = mine_errors(
        db, process_environment(), datetime.now(UTC), since=since, least=min_, prefix="--"
    )
    if report is not None:
        from autopack.mining.report import write_report

        for path in write_report(mined, report):
            note(f"wrote {path}")
    view = mined_as_json(mined)
    listed = cast("list[dict[str, Any]]", view["signatures"])
    page, cursor = page_of(listed, lambda row: row["signature"], limit, after)
    view |= {"signatures": page, "next_cursor": cursor}
    if as_json:
        print_json(view)
    elif as_csv:
        rows = ([row[name] for name in _COLUMNS] for row in page)
        write_csv(sys.stdout, _COLUMNS, rows)
    else:
        _print(mined, page)
        say_more(cursor)
    return 0


def _print(mined: Mined, rows: list[dict[str, Any]]) -> None:
    if not rows:
        out.print("no failure that no pattern caught")
        return
    table = plain_table(
        "tokens",
        "cost",
        "count",
        "runs",
        "priority",
        "type",
        "signature",
        "failure",
        right=("tokens", "cost", "count", "runs"),
        wraps=("failure",),
    )
    for row in rows:
        known = f" (known: {row['known_pattern']})" if row["known_pattern"] else ""
        table.add_row(
            figure_text(row["tokens"]),
            figure_text(row["cost"], "${:,.4f}"),
            f"{row['count']:,}",
            f"{row['runs']:,}",
            row["priority"],
            row["type"],
            row["signature"][:_SHORT],
            f"{row['normalised'][:_LINE]}{known}",
        )
    out.print(table)
    out.print(
        f"{mined.errors:,} failed attempts, {len(mined.signatures):,} signatures;"
        f" {mined.found.errors:,} attempts are new since the last time"
    )
