"""`autopack db identity` and `db retain`: which database this is, and what may leave it."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from cyclopts import Parameter

from autopack.ledger.period import parse_age
from autopack.ledger.retention import Retained
from autopack.ledger.retention import retain as archive
from autopack.model.errors import Refused
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.identity import rename_copy
from autopack.store.leases import held_runs
from autopack.store.tables import metadata
from deployments.cli.shared.output import AsJson, out, plain_table, print_json


def identity(
    *,
    new: Annotated[
        bool,
        Parameter(negative="", help="Give a copied database an identity of its own, for good."),
    ] = False,
    yes: Annotated[
        bool, Parameter(negative="", help="With --new: it is a copy, and its original lives on.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show which database this is.

    Its identity, address, schema, and the rows of each table. A copy has its original's identity,
    and with it a claim on the same folders and refs. Give it one of its own before both are used.
    """
    db = Database.open(Settings.from_environment().database_url)
    was = _rename(db, yes=yes) if new else None
    if was is not None:
        db = Database.open(Settings.from_environment().database_url)
    rows = _rows(db)
    answer: dict[str, Any] = {
        "engine": db.dialect,
        "url_masked": db.url_masked,
        "identity": db.identity,
        "schema": db.schema_version(),
        "head": db.head_version(),
        "rows": rows,
    }
    if was is not None:
        answer["was"] = was
    if as_json:
        print_json(answer)
        return 0
    table = plain_table("table", "rows", right=("rows",))
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    out.print(f"{answer['url_masked']}  schema {answer['schema']}  identity {db.identity}\n")
    if was is not None:
        out.print(f"It was {was}: folders and refs of that name stay with the original.\n")
    out.print(table)
    return 0


def _rename(db: Database, *, yes: bool) -> str:
    """Give the database a new identity; return the one it had. Raises Refused."""
    if held := held_runs(db):
        raise Refused(
            f"run {held[0]} is held: a process works on it with the present identity",
            field="--new",
            hint="end it, or wait a minute: in a copy nobody renews the lease",
        )
    if not yes:
        raise Refused(
            f"a new identity cannot be taken back: folders and refs of {db.identity[:12]}… would no"
            f" longer belong to the database {db.url_masked}",
            field="--new",
            hint="add --yes when this is the copy and its original lives on",
        )
    return db.transact(lambda conn: rename_copy(conn, db.url_masked))[0]


def retain(
    *,
    older_than: Annotated[str, Parameter(help="How long ago a run must have ended: 90d, 12w.")],
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would be done.")] = False,
    yes: Annotated[
        bool, Parameter(negative="", help="Also on an empty or unexpected database.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Archive the calls of old runs.

    They move from the ledger into its archive. Sums, totals and costs stay as they are; single
    calls can no longer be listed.
    """
    settings = Settings.from_environment()
    age = parse_age(older_than, "--older-than")
    db = Database.open(settings.database_url)
    planned = archive(db, age, dry_run=True)
    if not dry_run:
        if not yes:
            _refuse_unexpected(db, settings, planned)
        planned = archive(db, age)
    answer: dict[str, Any] = {
        "database": db.url_masked,
        "dry_run": dry_run,
        "cutoff": planned.cutoff.isoformat(),
        "runs": list(planned.run_ids),
        "events": planned.events,
    }
    if as_json:
        print_json(answer)
    else:
        verb = "would be archived" if dry_run else "were archived"
        out.print(
            f"{db.url_masked}: {planned.events:,} calls of {len(planned.run_ids)} runs that ended"
            f" before {planned.cutoff:%Y-%m-%d %H:%M} UTC {verb}"
        )
    return 0


def _refuse_unexpected(db: Database, settings: Settings, planned: Retained) -> None:
    """Raise Refused for a database that is empty, or that this home has never worked with."""
    if _is_empty(db):
        raise Refused(
            f"the database {db.url_masked} is empty",
            field="DATABASE_URL",
            hint="name the right one in DATABASE_URL, or add --yes",
        )
    known = any(find_folder(settings.home, db, run_id).is_dir() for run_id in planned.run_ids)
    if planned.run_ids and not known:
        raise Refused(
            f"the database {db.url_masked} is unexpected: none of the {len(planned.run_ids)} runs"
            f" to archive was executed from {settings.home}",
            field="DATABASE_URL",
            hint="see `autopack db identity`; add --yes when it is the right one",
        )


def _tables() -> list[sa.Table]:
    hidden = {"retention_open", "schema_compatibility", "database_identity"}
    return [table for name, table in sorted(metadata.tables.items()) if name not in hidden]


def _rows(db: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    with db.read() as conn:
        counts = {table.name: sa.select(sa.func.count()).select_from(table) for table in _tables()}
        return {name: conn.scalar(count) or 0 for name, count in counts.items()}


def _is_empty(db: Database) -> bool:
    """Return whether no table has a row; nothing is counted, for the ledger may be long."""
    with db.read() as conn:
        return not any(
            conn.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
            for table in _tables()
        )
