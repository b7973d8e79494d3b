"""What happened to a run, in the order of the commits: read by cursor, so that nothing is missed.

The rows are written by triggers, with the change itself; see the migration that made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from autopack.model.errors import BadInput
from autopack.model.pages import DEFAULT_LIMIT, check_limit
from autopack.store import tables
from autopack.store.database.engine import reading
from autopack.store.reading import Source, get_run

# Made once: requests and streams ask all the time, and making a statement costs more than it does.
_NEWEST = sa.select(sa.func.max(tables.run_events.c.number)).where(
    tables.run_events.c.run_id == sa.bindparam("run_id")
)

START = "0"
"""The cursor before the first event of a run."""


@dataclass(frozen=True)
class RunEvent:
    """One change. ``state`` is what came of it: a state, a decision's kind, ``approved``, …."""

    run_id: str
    number: int
    at: datetime
    kind: str
    phase_id: str | None
    attempt: int | None
    state: str

    @property
    def cursor(self) -> str:
        """What to ask with for those after it."""
        return str(self.number)


@dataclass(frozen=True)
class Events:
    """A page of events, and the cursor with which to ask for what comes after it."""

    events: tuple[RunEvent, ...]
    next: str
    is_last: bool
    """Whether these were all at the time."""


def read_events(
    source: Source, run_id: str, *, after: str | None = None, limit: int = DEFAULT_LIMIT
) -> Events:
    """Return the events of a run after a cursor, oldest first.

    Raises NotFound, and BadInput naming ``after`` or ``limit``.
    """
    check_limit(limit)
    seen, table = _number(after or START), tables.run_events
    with reading(source) as conn:
        get_run(conn, run_id)
        if seen > newest_event(conn, run_id):
            raise _invalid(str(after))
        query = (
            sa.select(table)
            .where(table.c.run_id == run_id, table.c.number > seen)
            .order_by(table.c.number)
            .limit(limit + 1)
        )
        rows = [RunEvent(**row) for row in conn.execute(query).mappings()]
    page = tuple(rows[:limit])
    return Events(page, page[-1].cursor if page else str(seen), is_last=len(rows) <= limit)


def newest_event(source: Source, run_id: str) -> int:
    """Return the number of the run's last event; 0 for none. A cheap look at whether there is
    one.
    """
    with reading(source) as conn:
        return conn.scalar(_NEWEST, {"run_id": run_id}) or 0


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise _invalid(cursor)
    return int(cursor)


def _invalid(cursor: str) -> BadInput:
    return BadInput(
        f"invalid cursor: {cursor!r}", field="after", hint="use `next` of the page before"
    )
