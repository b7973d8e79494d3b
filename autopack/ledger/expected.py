"""What a run will probably spend, from what finished phases spent, and from how many of those."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars, lost_by_phase
from autopack.model.states import PhaseState
from autopack.store import tables
from autopack.store.reading import Source, reading
from autopack.store.tables.rollups import usage_by_run

_NEWEST = 200
"""How many finished phases are looked at, the newest first."""
_FOR_A_RANGE = 5
"""From how few phases no range is told."""
_DRAWS = 1_000

Phase = tuple[int, Decimal | None]
"""What a finished phase spent: tokens, and dollars where the price of every call is known."""


@dataclass(frozen=True)
class Expected:
    """The expected spend of a run: ``n`` finished phases of ``basis`` are what is known.

    ``low`` and ``high`` are the 10th and 90th percentile of drawing as many phases from those.
    """

    basis: str | None
    n: int
    tokens: int | None = None
    tokens_low: int | None = None
    tokens_high: int | None = None
    cost: float | None = None
    cost_n: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return this as `run --dry-run --json` prints it."""
        return dict(vars(self))


def expected_spend(
    source: Source, *, phases: int, builder: str, model: str | None, repo: str
) -> Expected:
    """Return what a run of so many phases will probably spend.

    By phases of the same builder and model in the same repository where some have finished, else
    in any repository. All is None where none has.
    """
    with reading(source) as conn:
        for basis, where in (
            ("builder, model and repository", [tables.runs.c.repo == repo]),
            ("builder and model", []),
        ):
            found = _finished(conn, builder, model, where)
            if found:
                return _expected(basis, found, phases)
    return Expected(None, 0)


def _finished(
    conn: sa.Connection, builder: str, model: str | None, where: Sequence[sa.ColumnElement[bool]]
) -> list[Phase]:
    runs, phases, spent = tables.runs, tables.phases, usage_by_run
    sums = ("total_tokens", "cost_microdollars", "cost_picodollars", "unpriced_events")
    query = (
        sa.select(
            phases.c.run_id,
            phases.c.phase_id,
            *(sa.func.sum(spent.c[name]).label(name) for name in sums),
        )
        .join(runs, runs.c.run_id == phases.c.run_id)
        .join(
            spent,
            sa.and_(spent.c.run_id == phases.c.run_id, spent.c.phase_id == phases.c.phase_id),
        )
        .where(
            phases.c.state.in_((PhaseState.COMPLETE, PhaseState.FAILED)),
            runs.c.builder == builder,
            runs.c.model.is_(None) if model is None else runs.c.model == model,
            *where,
        )
        .group_by(phases.c.run_id, phases.c.phase_id, phases.c.finished_at)
        .order_by(phases.c.finished_at.desc(), phases.c.run_id, phases.c.phase_id)
        .limit(_NEWEST)
    )
    rows = conn.execute(query).mappings().all()
    run_ids = {row["run_id"] for row in rows}
    lost = lost_by_phase(conn, lambda table: table.c.run_id.in_(run_ids))
    return [
        (int(row["total_tokens"]), None if row["unpriced_events"] else dollars(row))
        for row in rows
        if (row["run_id"], row["phase_id"]) not in lost
    ]


def _expected(basis: str, found: Sequence[Phase], phases: int) -> Expected:
    tokens = [count for count, _ in found]
    costs = [cost for _, cost in found if cost is not None]
    low, high = None, None
    if len(tokens) >= _FOR_A_RANGE:
        drawn = random.Random(0)  # noqa: S311  the same history gives the same range
        sums = sorted(sum(drawn.choices(tokens, k=phases)) for _ in range(_DRAWS))
        low, high = sums[_DRAWS // 10], sums[_DRAWS - _DRAWS // 10 - 1]
    return Expected(
        basis,
        len(tokens),
        round(sum(tokens) * phases / len(tokens)),
        low,
        high,
        float(sum(costs, Decimal(0)) * phases / len(costs)) if costs else None,
        len(costs),
    )
