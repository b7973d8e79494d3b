"""The note in a run's folder that says which database knows the run, for whoever cleans up."""

from __future__ import annotations

from pathlib import Path

from autopack.store.engine import Database

_NOTE = "database"


def note_database(folder: Path, db: Database) -> None:
    """Say in ``folder`` that its run is one of ``db``."""
    note_of(folder).write_text(db.url_masked, encoding="utf-8")


def note_of(folder: Path) -> Path:
    """The note, which is not there before the run was first taken."""
    return folder / _NOTE


def belongs_elsewhere(folder: Path, db: Database) -> bool:
    """Whether another database says what becomes of the folder."""
    note = note_of(folder)
    return note.is_file() and note.read_text(encoding="utf-8") != db.url_masked
