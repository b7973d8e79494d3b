"""`autopack import`: usage from files."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autopack.ledger.imports.importing import import_file
from autopack.ledger.imports.importing_rows import EARLIER_NAMES
from autopack.model.errors import BadInput
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.usage_event import LEDGER_COLUMNS
from deployments.cli.shared.output import AsJson, note, out, plain_table, print_json


def import_(
    file: Annotated[
        Path | None,
        Parameter(help="CSV, JSON lines, or the SQLite database of an earlier Autopack."),
    ] = None,
    *,
    columns: Annotated[
        bool, Parameter(negative="", help="List the columns that are read, and import nothing.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Import usage from a file.

    Usage events and metrics; importing a file again adds nothing.
    """
    if columns:
        return _print_columns(as_json)
    if file is None:
        raise BadInput(
            "no file was named", field="file", hint="autopack import FILE; --columns says of what"
        )
    db = Database.open(Settings.from_environment().database_url)
    started = time.monotonic()
    done = import_file(db, file)
    seconds = round(time.monotonic() - started, 2)
    if as_json:
        print_json({"database": db.url_masked, **asdict(done), "seconds": seconds})
        return 0
    for name, lacking in done.missing.items():
        note(f"{name}: not in the file: {', '.join(lacking)}")
    out.print(
        f"{db.url_masked}: {done.new_events:,} of {done.events:,} calls and"
        f" {done.new_metrics:,} of {done.metrics:,} metrics are new ({seconds} s)"
    )
    return 0


def _print_columns(as_json: bool) -> int:
    earlier: dict[str, list[str]] = {}
    for old, name in EARLIER_NAMES.items():
        earlier.setdefault(name, []).append(old)
    rows = [
        {"column": each.name, "also": earlier.get(each.name, []), "meaning": each.meaning}
        for each in LEDGER_COLUMNS
        if each.imported
    ]
    if as_json:
        print_json({"columns": rows})
        return 0
    table = plain_table("column", "also read as", "meaning", wraps=("also read as", "meaning"))
    for row in rows:
        table.add_row(str(row["column"]), ", ".join(row["also"]), str(row["meaning"]))
    out.print(table)
    return 0
