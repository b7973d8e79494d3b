"""`autopack import`: usage from files."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autopack.ledger.imports.importing import import_file
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.shared.output import AsJson, note, out, print_json


def import_(
    file: Annotated[
        Path, Parameter(help="CSV, JSON lines, or the SQLite database of an earlier Autopack.")
    ],
    *,
    as_json: AsJson = False,
) -> int:
    """Import usage events and metrics; importing a file again adds nothing."""
    db = Database.open(Settings.from_environment().database_url)
    started = time.monotonic()
    done = import_file(db, file)
    seconds = round(time.monotonic() - started, 2)
    if as_json:
        print_json({"database": db.url_masked, **asdict(done), "seconds": seconds})
        return 0
    for name, columns in done.missing.items():
        note(f"{name}: not in the file: {', '.join(columns)}")
    out.print(
        f"{db.url_masked}: {done.new_events:,} of {done.events:,} calls and"
        f" {done.new_metrics:,} of {done.metrics:,} metrics are new ({seconds} s)"
    )
    return 0
