"""Reclaim the disk of runs that have ended: their folders go, refs and ledger stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from autopack.files import safe_files
from autopack.files.untrusted import remove_tree
from autopack.ledger.period import moment_ago
from autopack.process.limits import measure
from autopack.settings import Settings
from autopack.store import tables
from autopack.store.database.engine import Database
from autopack.store.folder_note import note_of, our_folders
from autopack.store.leases import holder_of
from autopack.store.runs import find_run


@dataclass(frozen=True)
class Reclaimed:
    """One run's folder: how many bytes it held, and what could not be removed, None for nothing."""

    run_id: str
    bytes: int
    error: str | None = None


def reclaim(
    db: Database, settings: Settings, *, older_than: timedelta, dry_run: bool = False
) -> list[Reclaimed]:
    """Empty the folders of runs that ended longer ago than ``older_than``; only count ``dry_run``.

    Checkouts, environments and the output of builds and checks go. Runs that a process holds,
    that could still be resumed, or whose spend is yet to be counted keep theirs, and so do those
    that the database does not know: reconciliation removes them. Raises BadInput when
    ``older_than`` reaches back before the calendar does.
    """
    given: list[Reclaimed] = []
    with db.read() as conn:
        before = moment_ago(db.now(conn), older_than, "--older-than")
        uncounted = _uncounted(conn)
    for run_id, folder in our_folders(settings.home, db):
        run = find_run(db, run_id)
        if (
            run is None
            or not run.state.is_final
            or run.state.can_reopen
            or run.finished_at is None
            or run.finished_at > before
            or run_id in uncounted
            or holder_of(db, run_id) is not None
        ):
            continue
        held = _contents(folder)
        size = measure(held).bytes + sum(_size(path) for path in held)
        if not held or size == 0:
            continue
        given.append(Reclaimed(run_id, size, None if dry_run else _remove(held)))
    return given


def _contents(folder: Path) -> list[Path]:
    """Return what is in a run's folder, but for the note that says whose it is."""
    return [folder / name for name in safe_files.names(folder) if name != note_of(folder).name]


def _size(path: Path) -> int:
    return path.lstat().st_size if not path.is_dir() or path.is_symlink() else 0


def _remove(paths: list[Path]) -> str | None:
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                remove_tree(path)
            else:
                safe_files.remove(path)
        except OSError as error:
            return f"{path}: {error.strerror}"
    return None


def _uncounted(conn: sa.Connection) -> frozenset[str]:
    """The runs with a call that was begun, and of which a spool may still tell."""
    table = tables.llm_call_intents
    query = sa.select(table.c.run_id).where(table.c.closed_at.is_(None), table.c.told.is_(None))
    return frozenset(conn.scalars(query))
