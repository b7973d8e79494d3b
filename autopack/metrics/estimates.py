"""How many tokens a doctor call that was not made would have used: a median of calls that were."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import sqlalchemy as sa

from autopack.ledger.consolidated import EstimateSource
from autopack.store.tables import DoctorModel, llm_usage_events

LEAST_CALLS = 3
GLOBAL_WINDOW = 100
FALLBACK: dict[DoctorModel | None, int] = {"cheap": 10_000, "strong": 15_000, None: 12_000}


@dataclass(frozen=True)
class Estimate:
    """A number of tokens, where it comes from, and of how many calls it is the median."""

    tokens: int
    source: EstimateSource
    n: int


def estimate_doctor_tokens(
    conn: sa.Connection, run_id: str, doctor_model: DoctorModel | None
) -> Estimate:
    """Return the median of the run's own doctor calls of that model, else of the last 100 of any
    run.

    Fewer than three calls are no sample; then a fixed figure stands in. Calls of every model
    count where it is not known which one would have been asked.
    """
    calls = llm_usage_events
    conditions: list[sa.ColumnElement[bool]] = [calls.c.is_doctor_call.is_(True)]
    if doctor_model is not None:
        conditions.append(calls.c.doctor_model == doctor_model)
    recent = sa.select(calls.c.total_tokens).where(*conditions)
    own = recent.where(calls.c.run_id == run_id)
    last = recent.order_by(calls.c.created_at.desc(), calls.c.event_key.desc())
    samples: tuple[tuple[EstimateSource, sa.Select[Any]], ...] = (
        ("run_local", own),
        ("global", last.limit(GLOBAL_WINDOW)),
    )
    for source, sample in samples:
        found = conn.execute(median_of(sample)).one()
        if found.n is not None and found.n >= LEAST_CALLS:
            tokens = Decimal(str(found.median)).quantize(Decimal(1), ROUND_HALF_UP)
            return Estimate(int(tokens), source, found.n)
    return Estimate(FALLBACK[doctor_model], "fallback", 0)


def median_of(sample: sa.Select[Any]) -> sa.Select[Any, Any]:
    """One row: the true ``median`` of one column, and ``n``, how many values it has.

    The middle two of an even sample are averaged. One statement, the same on both engines.
    """
    values = sample.subquery()
    tokens = next(iter(values.c))
    ranked = sa.select(
        tokens.label("value"),
        sa.func.row_number().over(order_by=tokens).label("place"),
        sa.func.count().over().label("n"),
    ).subquery()
    # The middle is where place is n/2 rounded either way: 2·place is n, n + 1 or n + 2.
    twice = ranked.c.place * 2
    return sa.select(
        sa.func.avg(ranked.c.value).label("median"), sa.func.max(ranked.c.n).label("n")
    ).where(twice.between(ranked.c.n, ranked.c.n + 2))
