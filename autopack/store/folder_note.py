"""Whose a run's folder is: a note in it names the database, and another's is never read.

A run has ``runs/<run_id>`` in the home. Where another database has a run of that name, or left its
folder behind, it has ``runs/<run_id>@<key>`` instead; no id has an @ in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from autopack.files import safe_files
from autopack.model.errors import Refused
from autopack.store.database.engine import Database
from autopack.store.reading import find_run, get_run
from autopack.store.rows import RunRow

_NOTE = "database"
_RUNS = "runs"
_LONGEST_NOTE = 65_536


def claim_folder(home: Path, db: Database, run_id: str) -> Path:
    """Make the folder of a run, or find it again. Raises NotFound, and Refused when others took it.

    Of several processes that do so at once, one makes it.
    """
    run = get_run(db, run_id)
    for path in _candidates(home, db, run_id):
        if not path.exists() and _make(path, db):
            return path
        if _is_ours(path, db, run):
            if _owner(path) != db.identity:
                _write_note(path, db)  # of a version before databases had an identity
            return path
    raise Refused(
        f"the folders of run {run_id} in {home / _RUNS} belong to other databases",
        field="run_id",
        hint="choose another run id, or another AUTOPACK_HOME",
    )


def find_folder(home: Path, db: Database, run_id: str) -> Path:
    """Return where the folder of a run is, or would be made. Makes nothing, and needs no
    such run.
    """
    run = find_run(db, run_id)
    paths = _candidates(home, db, run_id)
    for path in paths:
        if _is_ours(path, db, run):
            return path
    return next((path for path in paths if not path.exists()), paths[-1])


def our_folders(home: Path, db: Database) -> Iterator[tuple[str, Path]]:
    """Yield the run id and the folder of every run of ``db`` that this home has a folder of.

    The database need not know the run any more.
    """
    for path in _all_folders(home):
        run_id = path.name.partition("@")[0]
        if _owner(path) == db.identity or _is_ours(path, db, find_run(db, run_id)):
            yield run_id, path


def foreign_folders(home: Path, db: Database) -> list[Path]:
    """The folders of runs that belong to other databases, or to nobody who could be named."""
    ours = {path for _, path in our_folders(home, db)}
    return [path for path in _all_folders(home) if path not in ours]


def note_of(folder: Path) -> Path:
    """Return the note, which is not there before the run was first taken."""
    return folder / _NOTE


def _all_folders(home: Path) -> list[Path]:
    runs = home / _RUNS
    named = (runs / name for name in safe_files.names(runs) if not name.startswith("."))
    return [path for path in named if safe_files.is_folder(path)]


def _candidates(home: Path, db: Database, run_id: str) -> tuple[Path, Path]:
    runs = home / _RUNS
    return runs / run_id, runs / f"{run_id}@{db.key}"


def _is_ours(path: Path, db: Database, run: RunRow | None) -> bool:
    owner = _owner(path)
    if owner == db.identity:
        return True
    if run is None or run.database_id is not None or not path.is_dir():
        return False
    # Of before databases had an identity: their folders named an address, or were not noted yet.
    return owner is None or db.is_at(owner)


def _owner(path: Path) -> str | None:
    """Return what the note says first: an identity, or what earlier versions wrote, a
    masked URL.
    """
    try:
        lines = safe_files.read_text(note_of(path), most=_LONGEST_NOTE).splitlines()
    except OSError:
        return None
    return lines[0].strip() if lines else None


def _make(path: Path, db: Database) -> bool:
    """Make the folder with its note in it; False when somebody else did in this moment."""
    fresh = path.with_name(f".{secrets.token_hex(8)}.new")
    safe_files.make_folder(fresh, below=path.parent)
    try:
        _write_note(fresh, db)
        fresh.rename(path)
    except OSError:
        if not path.is_dir():
            raise
        return False
    finally:
        safe_files.remove(fresh)
    return True


def _write_note(folder: Path, db: Database) -> None:
    safe_files.write(note_of(folder), f"{db.identity}\n{db.url_masked}\n", durable=True)
