"""`autopack clean`: the disk of runs that have ended, released."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from autopack.ledger.period import parse_age
from autopack.runs.reconcile.reclaim_disk import reclaim
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.shared.output import AsJson, note, out, print_json


def clean(
    *,
    older_than: Annotated[str, Parameter(help="How long ago a run must have ended: 30d.")] = "30d",
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would be freed.")] = False,
    as_json: AsJson = False,
) -> int:
    """Free the disk space of ended runs.

    Checkouts, environments and logs are deleted, and how much that was is said. Commits, branches,
    figures and the ledger stay. Runs that can be resumed keep everything.
    """
    age = parse_age(older_than, "--older-than")
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    given = reclaim(db, settings, older_than=age, dry_run=dry_run)
    total = sum(one.bytes for one in given if one.error is None)
    failed = [one for one in given if one.error is not None]
    if as_json:
        rows = [asdict(one) for one in given]
        print_json({"runs": rows, "bytes": total, "dry_run": dry_run})
        return 1 if failed else 0
    for one in given:
        out.print(f"{one.run_id}  {_size(one.bytes)}")
    runs = f"{len(given)} {'run' if len(given) == 1 else 'runs'}"
    if dry_run:
        out.print(f"{_size(total)} of {runs} would be freed")
    else:
        out.print(f"{_size(total)} of {runs} freed" if given else "nothing to free")
    for one in failed:
        note(f"{one.run_id} could not be removed: {one.error}")
    return 1 if failed else 0


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")
