"""A home and a database that an earlier version left, with a run in every state.

`tests/data/upgrade/before-fencing.tar.xz` holds the home and the project of its runs, and the rows
of its database as SQLite kept them. They were made in another folder: paths are changed on the way.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from autopack.store import Database
from autopack.store.database import schema
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import SourceRepository
from support.packages import extract

_DATA = Path(__file__).parent.parent / "data" / "upgrade" / "before-fencing.tar.xz"
_FILLED = ("schema_compatibility", "usage_by_run", "usage_by_day")
"""What the migrations and the triggers of the ledger fill."""


def unpack(folder: Path, url: str) -> dict[str, list[dict[str, Any]]]:
    """Have the home and the project in ``folder`` and the database at ``url``, as they were.

    Returns the rows of the database.
    """
    with tarfile.open(_DATA) as archive:
        extract(archive, folder)
    made = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    (folder / "rows.json").unlink()
    old, new = made["root"], str(folder)
    [mirror] = (folder / "home" / "repositories").glob("*.git")
    moved = Mirror.folder(
        folder / "home", SourceRepository.open(str(folder / "project" / "repository"))
    )
    for checkout in (folder / "home" / "runs").glob("*/work/*"):
        was = str(checkout).replace(new, old, 1)
        private = mirror / "autopack-workspaces"
        (private / _name(was)).rename(private / _name(str(checkout)))
    _rewrite(folder, {old: new, mirror.name: moved.name})
    mirror.rename(moved)
    database = Database.open(url, check_schema=False)
    for note in (folder / "home" / "runs").glob("*/database"):
        note.write_text(database.url_masked, encoding="utf-8")
    tables = json.loads(json.dumps(made["tables"]).replace(old, new))
    database.transact(lambda conn: _fill(conn, made["revision"], tables))
    database.close()
    shutil.rmtree(folder / "home" / "prefect", ignore_errors=True)
    return tables


def _name(checkout: str) -> str:
    return hashlib.sha256(checkout.encode()).hexdigest()[:16]


def _rewrite(folder: Path, words: dict[str, str]) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        before = after = path.read_bytes()
        for old, new in words.items():
            after = after.replace(old.encode(), new.encode())
        if after != before:
            path.chmod(0o600)
            path.write_bytes(after)


def _fill(conn: sa.Connection, revision: str, tables: dict[str, list[dict[str, Any]]]) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))
    config.attributes["connection"] = conn
    command.upgrade(config, revision)
    metadata = sa.MetaData()
    metadata.reflect(conn)
    for table in metadata.sorted_tables:
        if table.name in tables and table.name not in _FILLED:
            rows = [_typed(table, row) for row in tables[table.name]]
            conn.execute(sa.insert(table), rows)
            if conn.dialect.name == "postgresql" and "id" in table.c:
                sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                last = max(row["id"] for row in rows)
                conn.exec_driver_sql(f"SELECT setval({sequence}, {last})")


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(table.c[name].type, value) for name, value in row.items()}


def _value(kind: sa.types.TypeEngine[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, sa.DateTime):
        return datetime.fromisoformat(f"{value}+00:00")
    if isinstance(kind, sa.JSON):
        return json.loads(value)
    return bool(value) if isinstance(kind, sa.Boolean) else value
