"""Redacting what attempts printed, also when the process that should have was killed before.

That it was done is a fact of the attempt (``redacted_at``). Secrets are not stored, so a later
process may not know those of the one that crashed: a note in the run's folder has four digits of a
digest of each, which tell whether one is missing and nothing else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa

from autopack.files import safe_files
from autopack.files.durable import write_whole
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.runs.spools.spool import spool_folder
from autopack.secrecy.credentials import known_secrets
from autopack.secrecy.redaction import Redactor
from autopack.store import tables
from autopack.store.database.engine import Database, now
from autopack.store.folder_note import find_folder
from autopack.store.keys import attempt_named, named_attempt
from autopack.store.leases import holder_of
from autopack.store.runs import AttemptRow, get_run

_log = logging.getLogger("autopack")
_TAGS = "secrets.json"
_ATTEMPT = sa.update(tables.attempts).where(named_attempt(tables.attempts))


def note_secrets(run_folder: Path, redactor: Redactor) -> None:
    """Note which secrets may be printed from now on, before anything is started."""
    noted = _noted(run_folder)
    known = redactor.tags | (noted or frozenset())
    if known != noted:
        write_whole(run_folder / _TAGS, json.dumps(sorted(known)))


def redact(db: Database, attempt: AttemptRow, spool: Path, redactor: Redactor) -> None:
    """Redact the spool of an attempt that is closed, and mark that."""
    redactor.folder(spool)
    db.transact(lambda conn: mark_redacted(conn, attempt.key))


def mark_redacted(conn: sa.Connection, key: AttemptKey) -> None:
    """Mark that the spool of an attempt is redacted; nothing is written there any more."""
    conn.execute(_ATTEMPT, {**attempt_named(key), "redacted_at": now(conn)})


def redact_rest(db: Database, run_id: str, run_folder: Path, redactor: Redactor) -> int:
    """Redact the spools of a run whose attempts lack the mark; return how many there were.

    For the holder of the run, or when there is none. The mark is set where all the secrets of the
    run are known here, and no check of the attempt will print any more.
    """
    noted, done = _noted(run_folder), 0
    knows_all = noted is None or noted <= redactor.tags
    if noted is not None and not knows_all and not noted & redactor.tags:
        return 0  # there is nothing that could be found
    for attempt in _unmarked(db, run_id):
        spool = spool_folder(run_folder, attempt.key)
        if not spool.is_dir():
            continue
        done += 1
        if knows_all and attempt.state is not AttemptState.BUILT:
            redact(db, attempt, spool, redactor)
        else:
            redactor.folder(spool)
    return done


def redact_all(db: Database, home: Path, environ: Mapping[str, str]) -> int:
    """Return the same for every run that nobody works on; one of which that fails holds up no
    other.
    """
    table, done = tables.attempts, 0
    query = sa.select(table.c.run_id).where(_is_unmarked()).distinct().order_by(table.c.run_id)
    with db.read() as conn:
        run_ids = conn.scalars(query).all()
    for run_id in run_ids:
        holder = holder_of(db, run_id)
        folder = find_folder(home, db, run_id)
        if (holder is not None and not holder.is_gone()) or not folder.is_dir():
            continue
        options = {name: str(value) for name, value in get_run(db, run_id).builder_options.items()}
        try:
            done += redact_rest(db, run_id, folder, Redactor(known_secrets(environ, options)))
        except OSError as error:
            _log.warning("the spools of run %s are not redacted: %s", run_id, error)
    return done


def _unmarked(db: Database, run_id: str) -> list[AttemptRow]:
    table = tables.attempts
    query = sa.select(table).where(table.c.run_id == run_id, _is_unmarked())
    with db.read() as conn:
        return [AttemptRow.of(row) for row in conn.execute(query).mappings()]


def _is_unmarked() -> sa.ColumnElement[bool]:
    table = tables.attempts
    return sa.and_(table.c.redacted_at.is_(None), table.c.state != AttemptState.STARTED)


def _noted(run_folder: Path) -> frozenset[str] | None:
    """Return the note; None where there is none: earlier versions made none."""
    try:
        return frozenset(map(str, json.loads(safe_files.read_text(run_folder / _TAGS))))
    except (OSError, ValueError, TypeError):
        return None
