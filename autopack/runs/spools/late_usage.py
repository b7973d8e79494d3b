"""Counting what attempts spent on this machine that another machine had to declare interrupted."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy import Connection

from autopack.files.home_id import home_id
from autopack.ledger.budget.reservations import settle
from autopack.ledger.events.build_events import builder_events
from autopack.ledger.recorder import Intent, Recorder
from autopack.model.errors import BadInput, DatabaseRefused
from autopack.process import leftovers
from autopack.runs.crew_of_run import crew_of
from autopack.runs.spools.spool import spool_folder
from autopack.runs.spools.spool_spend import read_spend
from autopack.secrecy.credentials import environment_secrets
from autopack.secrecy.redaction import Redactor
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.intents import (
    keep_open,
)
from autopack.store.reading import uncounted_attempts
from autopack.store.runs import AttemptRow, get_run

_log = logging.getLogger("autopack")


def count_returned(
    db: Database, settings: Settings, *, environ: Mapping[str, str], run_id: str | None = None
) -> int:
    """Record the calls that only this home's spools tell of; return how many were new.

    Those are of attempts that began here and that another machine closed while this one was
    away. An attempt with a process that still lives is left for later, and so is one whose
    builder cannot be had: its recording is gone, or its program.
    """
    new = 0
    for attempt in uncounted_attempts(db, home_id(settings.home), run_id):
        try:
            new += _count(db, settings, attempt, environ)
        except DatabaseRefused:
            raise
        except Exception:
            # Whatever it is: a spool, and what reads it, may be of any agent in any version.
            _log.exception("what attempt %s spent is counted later", attempt.key)
    return new


def _count(
    db: Database, settings: Settings, attempt: AttemptRow, environ: Mapping[str, str]
) -> int:
    marks = leftovers.run_marks(attempt.run_id, db.mark)
    number = f"{attempt.phase_id}/{attempt.attempt}"
    if leftovers.find(**marks, **{leftovers.ATTEMPT: number}):
        return 0
    run = get_run(db, attempt.run_id)
    folder = find_folder(settings.home, db, attempt.run_id)
    try:
        builder = crew_of(db, run).builder_of(attempt.phase_id, attempt.model_level)
    except BadInput:
        return 0
    spool = spool_folder(folder, attempt.key)
    spend = read_spend(builder, spool)
    events = builder_events(spend.calls, attempt.key, simulated=spend.simulated)
    intent = Intent(attempt.key)
    recorded = Recorder(db, folder).record(events, closes=intent if spend.is_all else None)

    def close(conn: Connection) -> None:
        if not spend.is_all and not spend.may_come_back:
            keep_open(conn, attempt.key, spend.exactness.value)
        settle(conn, attempt.key, again=True)

    db.transact(close)
    Redactor(environment_secrets(environ)).folder(spool)
    return recorded.new
