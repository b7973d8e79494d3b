"""`autopack patterns mine`: what keeps failing although no pattern knows it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.mining.mine import Mined
from autopack.mining.mine import as_json as mined_as_json
from autopack.mining.mine import mine as mine_errors
from autopack.model.errors import BadInput
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.reading import MAX_LIMIT
from autopack.views.escaping import write_csv
from deployments.cli.shared.output import (
    AsJson,
    Limit,
    figure_text,
    note,
    out,
    plain_table,
    print_json,
)

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
    report: Annotated[
        Path | None, Parameter(help="A folder to write the report to, as Markdown and HTML.")
    ] = None,
    as_csv: Annotated[
        bool, Parameter(name="--csv", negative="", help="Print comma-separated values instead.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Say what keeps failing that no pattern caught, the costliest first."""
    if as_csv and as_json:
        raise BadInput("--csv and --json exclude each other", field="--csv", hint="drop one")
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(
            f"invalid limit: {limit}", field="limit", hint=f"use a number from 1 to {MAX_LIMIT}"
        )
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    mined = mine_errors(db, process_environment(), datetime.now(UTC), since=since, least=min_)
    if report is not None:
        from autopack.mining.report import write_report

        for path in write_report(mined, report):
            note(f"wrote {path}")
    view = mined_as_json(mined)
    left_out = len(view["signatures"]) - limit
    view["signatures"] = view["signatures"][:limit]
    if as_json:
        print_json(view)
    elif as_csv:
        rows = ([row[name] for name in _COLUMNS] for row in view["signatures"])
        write_csv(sys.stdout, _COLUMNS, rows)
    else:
        _print(mined, view["signatures"])
        if left_out > 0:
            out.print(f"{left_out:,} more: --limit {min(len(mined.signatures), MAX_LIMIT)}")
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
