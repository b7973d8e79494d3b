"""The consolidated view of each run as a stored row, for dashboards and for comparing runs."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from autopack.ledger.consolidated import Consolidated, consolidated_tokens
from autopack.model.features import Feature
from autopack.store.database.engine import Database, insert_new, now
from autopack.store.tables import runs
from autopack.store.tables.rollups import consolidated_token_views as table

_SPENT = ("total", "input", "cache_read", "cache_write", "output", "unsplit")


def is_on(db: Database, run_id: str) -> bool:
    """Return whether the run keeps its consolidated view."""
    with db.read() as conn:
        features = conn.scalar(sa.select(runs.c.features).where(runs.c.run_id == run_id))
    return Feature.CONSOLIDATED_METRICS.value in (features or [])


def store_view(db: Database, run_id: str) -> Consolidated:
    """Compute the run's view and store it in place of the one before. Raises NotFound."""
    return db.transact(lambda conn: _store(conn, run_id))


def record_measured_saving(db: Database, run_id: str, tokens: int | None) -> Consolidated:
    """Keep what the run's own valid A/B pair measured, with its sign, and renew the view.

    Positive: the run used fewer tokens than its control. None takes back what a pair measured
    that turned out to be void. Raises NotFound.
    """

    def write(conn: sa.Connection) -> Consolidated:
        _store(conn, run_id)
        conn.execute(
            sa.update(table).where(table.c.run_id == run_id).values(ab_tokens_saved_measured=tokens)
        )
        return consolidated_tokens(conn, run_id)

    return db.transact(write)


def _store(conn: sa.Connection, run_id: str) -> Consolidated:
    view = consolidated_tokens(conn, run_id)
    values = _values(view) | {"computed_at": now(conn)}
    # The measured figure is kept: it arrives when the pair is analysed, not with the run.
    inserted = conn.execute(
        insert_new(conn, table).values(run_id=run_id, **values).returning(table.c.run_id)
    ).first()
    if inserted is None:
        conn.execute(sa.update(table).where(table.c.run_id == run_id).values(**values))
    return view


def _values(view: Consolidated) -> dict[str, Any]:
    spent, claimed, coverage = view.spent, view.claimed, view.coverage
    cost: Decimal | None = spent.cost
    unknown = spent.nothing_known
    return {
        **{f"spent_{name}": None if unknown else getattr(spent, name) for name in _SPENT},
        "unknown_builds": spent.unknown_builds,
        "unpriced_calls": spent.unpriced_calls,
        "cost_known": spent.cost_known,
        "by_category": dict(spent.by_category),
        "by_role": dict(spent.by_role),
        "events": spent.events,
        "cost": cost,
        "artifact_tokens_avoided_modelled": claimed and claimed.artifact_tokens_avoided_modelled,
        "doctor_tokens_avoided_counterfactual": (
            claimed and claimed.doctor_tokens_avoided_counterfactual
        ),
        "estimate_coverage": (
            {source: asdict(part) for source, part in coverage.items()} if coverage else None
        ),
    }
