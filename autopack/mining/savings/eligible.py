"""The phases in which a hold-out was drawn, with what they used to their end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from autopack.ledger.held_out import untold
from autopack.repair.holdout import Arm
from autopack.store.pattern_hits import of_run, origin
from autopack.store.tables import phases, runs, usage_by_run
from autopack.store.tables.patterns import pattern_hits
from autopack.store.tables.rollups import phase6_metrics

_FINAL = ("COMPLETE", "FAILED", "SKIPPED")


@dataclass(frozen=True)
class EligiblePhase:
    """A phase with a draw: its arm is what was meant for it, whatever became of it.

    ``run_id`` is the run that it goes back to: a replay has the draws of its original.
    ``tokens`` and ``cost`` (US dollars) are of the whole phase; None where a part is unknown, the
    cost also while a call has no price. ``completed`` is None while it is open. ``modelled`` are
    the doctor's tokens that were estimated to be avoided.
    """

    pattern_id: str
    version: int
    digest: str
    run_id: str
    arm: Arm
    share: float
    tokens: int | None
    cost: Decimal | None
    completed: bool | None
    modelled: int | None


def eligible(conn: sa.Connection, since: datetime | None = None) -> list[EligiblePhase]:
    """Return the phases with a draw, in the order of their draws."""
    hits, usage, metrics = pattern_hits, usage_by_run, phase6_metrics
    spent = (
        sa.select(
            usage.c.run_id,
            usage.c.phase_id,
            sa.func.sum(usage.c.total_tokens).label("tokens"),
            sa.func.sum(usage.c.cost_microdollars).label("micro"),
            sa.func.sum(usage.c.cost_picodollars).label("pico"),
            sa.func.sum(usage.c.unpriced_events).label("unpriced"),
        )
        .group_by(usage.c.run_id, usage.c.phase_id)
        .subquery()
    )
    modelled = (
        sa.select(
            metrics.c.run_id,
            metrics.c.phase_id,
            metrics.c.failure_pattern_detected.label("pattern_id"),
            sa.func.sum(metrics.c.doctor_tokens_avoided_estimate).label("modelled"),
        )
        .group_by(metrics.c.run_id, metrics.c.phase_id, metrics.c.failure_pattern_detected)
        .subquery()
    )
    query = (
        sa.select(
            hits.c.pattern_id,
            hits.c.version,
            hits.c.digest,
            hits.c.run_id,
            hits.c.phase_id,
            origin().label("origin"),
            hits.c.arm,
            hits.c.share,
            sa.func.coalesce(hits.c.outcome, sa.cast(phases.c.state, sa.Text)).label("state"),
            spent.c.tokens,
            spent.c.micro,
            spent.c.pico,
            spent.c.unpriced,
            modelled.c.modelled,
        )
        .select_from(hits)
        .outerjoin(phases, _same(hits, phases))
        .outerjoin(spent, _same(hits, spent))
        .outerjoin(runs, of_run())
        .outerjoin(
            modelled,
            sa.and_(_same(hits, modelled), modelled.c.pattern_id == hits.c.pattern_id),
        )
        .where(hits.c.arm.is_not(None))
        .order_by(hits.c.id)
    )
    if since is not None:
        query = query.where(hits.c.created_at >= since)
    lost = untold(conn)
    return [
        _of(row, told=(row["run_id"], row["phase_id"]) not in lost)
        for row in conn.execute(query).mappings()
    ]


def _same(hits: sa.Table, other: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(hits.c.run_id == other.c.run_id, hits.c.phase_id == other.c.phase_id)


def _of(row: sa.RowMapping, *, told: bool) -> EligiblePhase:
    cost = None
    if told and row["micro"] is not None and not row["unpriced"]:
        cost = Decimal(int(row["micro"])) / 10**6 + Decimal(int(row["pico"])) / 10**12
    return EligiblePhase(
        pattern_id=row["pattern_id"],
        version=row["version"],
        digest=row["digest"],
        run_id=row["origin"],
        arm=row["arm"],
        share=row["share"],
        tokens=int(row["tokens"]) if told and row["tokens"] is not None else None,
        cost=cost,
        completed=row["state"] == "COMPLETE" if row["state"] in _FINAL else None,
        modelled=None if row["modelled"] is None else int(row["modelled"]),
    )
