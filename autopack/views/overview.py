"""Many runs at a glance, in three queries however many they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars, lost_by_run
from autopack.model.states import PhaseState
from autopack.store.database.engine import reading
from autopack.store.reading import Source
from autopack.store.tables import phases, runs
from autopack.store.tables.rollups import usage_by_run


@dataclass(frozen=True)
class RunLine:
    """One run: its state, its phases and how many are complete, and what it spent in tokens.

    ``tokens`` are those that are known, None when it built and nothing is; ``unknown_builds``
    told less than all of it. ``cost`` is None while any of it is unknown; ``cost_known`` is what
    the calls with a price cost, None when none has one, ``unpriced_calls`` how many have none.
    """

    run_id: str
    state: str
    phases: int
    completed: int
    tokens: int | None
    unknown_builds: int
    cost: float | None = None
    cost_known: float | None = None
    unpriced_calls: int = 0


def run_lines(source: Source, run_ids: Sequence[str]) -> list[RunLine]:
    """The runs that are stored, in the order asked for."""
    complete = sa.func.sum(sa.case((phases.c.state == PhaseState.COMPLETE, 1), else_=0))
    query = (
        sa.select(runs.c.run_id, runs.c.state, sa.func.count(), complete)
        .join(phases, phases.c.run_id == runs.c.run_id)
        .where(runs.c.run_id.in_(run_ids))
        .group_by(runs.c.run_id, runs.c.state)
    )
    spent = (
        sa.select(
            usage_by_run.c.run_id,
            *(
                sa.func.sum(usage_by_run.c[name]).label(name)
                for name in (
                    "events",
                    "total_tokens",
                    "cost_microdollars",
                    "cost_picodollars",
                    "unpriced_events",
                )
            ),
        )
        .where(usage_by_run.c.run_id.in_(run_ids))
        .group_by(usage_by_run.c.run_id)
    )
    with reading(source) as conn:
        sums = {row["run_id"]: row for row in conn.execute(spent).mappings()}
        tokens = {run_id: int(row["total_tokens"]) for run_id, row in sums.items()}
        lost = lost_by_run(conn, run_ids)
        found = {
            run_id: RunLine(
                run_id,
                state.value,
                int(count),
                int(done),
                tokens.get(run_id, None if run_id in lost else 0),
                lost[run_id].builds if run_id in lost else 0,
                None if run_id in lost else _cost(sums.get(run_id)),
                _cost_known(sums.get(run_id), is_lost=run_id in lost),
                int(sums[run_id]["unpriced_events"]) if run_id in sums else 0,
            )
            for run_id, state, count, done in conn.execute(query)
        }
    return [found[run_id] for run_id in run_ids if run_id in found]


def _cost(row: sa.RowMapping | None) -> float | None:
    if row is None:
        return 0.0
    return None if row["unpriced_events"] else float(dollars(row))


def _cost_known(row: sa.RowMapping | None, *, is_lost: bool) -> float | None:
    has_price = row is not None and row["events"] > row["unpriced_events"]
    if row is not None and has_price:
        return float(dollars(row))
    return 0.0 if row is None and not is_lost else None
