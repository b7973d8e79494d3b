"""Which run came from which: what it retries or replays, and what retried or replayed it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from autopack.model.states import RunState
from autopack.store.database.engine import reading
from autopack.store.reading import Source
from autopack.store.rows import RunRow
from autopack.store.tables import runs

MOST = 50


@dataclass(frozen=True)
class Relative:
    """A run that another came from, or that came from it; ``how`` is retry or replay.

    ``state`` is None where that run is not stored here.
    """

    run_id: str
    how: str
    state: RunState | None
    lane: str | None = None


@dataclass(frozen=True)
class Lineage:
    """Where a run comes from, the oldest first, and what came of it, the newest last."""

    ancestors: tuple[Relative, ...]
    descendants: tuple[Relative, ...]


def lineage(source: Source, run: RunRow) -> Lineage:
    """Return the lineage of a run, at most fifty each way."""
    with reading(source) as conn:
        return Lineage(_ancestors(conn, run), _descendants(conn, run.run_id))


def _ancestors(conn: sa.Connection, run: RunRow) -> tuple[Relative, ...]:
    found: list[Relative] = []
    seen = {run.run_id}
    parent, how = _parent(run.retry_of, run.replay_of)
    while parent is not None and parent not in seen and len(found) < MOST:
        seen.add(parent)
        query = sa.select(runs.c.state, runs.c.retry_of, runs.c.replay_of, runs.c.lane)
        row = conn.execute(query.where(runs.c.run_id == parent)).first()
        if row is None:
            found.append(Relative(parent, how, None))
            break
        found.append(Relative(parent, how, RunState(row.state), row.lane))
        parent, how = _parent(row.retry_of, row.replay_of)
    return tuple(reversed(found))


def _parent(retry_of: str | None, replay_of: str | None) -> tuple[str | None, str]:
    return (retry_of, "retry") if retry_of is not None else (replay_of, "replay")


def _descendants(conn: sa.Connection, run_id: str) -> tuple[Relative, ...]:
    query = (
        sa.select(runs.c.run_id, runs.c.state, runs.c.retry_of, runs.c.lane)
        .where(sa.or_(runs.c.retry_of == run_id, runs.c.replay_of == run_id))
        .order_by(runs.c.created_at, runs.c.run_id)
        .limit(MOST)
    )
    return tuple(
        Relative(
            row.run_id,
            "retry" if row.retry_of == run_id else "replay",
            RunState(row.state),
            row.lane,
        )
        for row in conn.execute(query)
    )
