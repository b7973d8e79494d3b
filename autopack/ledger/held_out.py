"""What mitigations saved by the measure of the hold-out: the difference of its arms."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import sqlalchemy as sa

from autopack.store.tables import usage_by_run
from autopack.store.tables.patterns import pattern_hits

_LEAST_RUNS = 2
"""Runs that each arm must have before their difference is told."""


@dataclass
class _Arm:
    runs: set[str] = field(default_factory=set[str])
    phases: int = 0
    tokens: int = 0

    @property
    def mean(self) -> float:
        return self.tokens / self.phases


def mitigations_saved(conn: sa.Connection, chosen: sa.ColumnElement[bool]) -> int | None:
    """Return the tokens that mitigations saved in the phases ``chosen``; None without data.

    Each treated phase counts with what held-out ones of its pattern used more in the mean, over
    all runs: an unbiased estimate of the total, with its sign.
    """
    treated = sa.and_(chosen, pattern_hits.c.arm == "treated", pattern_hits.c.outcome.is_not(None))
    query = sa.select(pattern_hits.c.digest, sa.func.count()).where(treated)
    counted: dict[str, int] = {}
    for digest, count in conn.execute(query.group_by(pattern_hits.c.digest)):
        counted[digest] = count
    if not counted:
        return None
    arms = _arms(conn, list(counted))
    saved: list[float] = []
    for digest, count in counted.items():
        one, other = arms[digest, "treated"], arms[digest, "held_out"]
        if min(len(one.runs), len(other.runs)) >= _LEAST_RUNS:
            saved.append(count * (other.mean - one.mean))
    return round(sum(saved)) if saved else None


def _arms(conn: sa.Connection, digests: list[str]) -> dict[tuple[str, str], _Arm]:
    hits = pattern_hits
    spent = (
        sa.select(
            usage_by_run.c.run_id,
            usage_by_run.c.phase_id,
            sa.func.sum(usage_by_run.c.total_tokens).label("tokens"),
        )
        .group_by(usage_by_run.c.run_id, usage_by_run.c.phase_id)
        .subquery()
    )
    same = sa.and_(hits.c.run_id == spent.c.run_id, hits.c.phase_id == spent.c.phase_id)
    query = (
        sa.select(hits.c.digest, hits.c.arm, hits.c.run_id, spent.c.tokens)
        .join_from(hits, spent, same)
        .where(hits.c.digest.in_(digests), hits.c.arm.is_not(None), hits.c.outcome.is_not(None))
    )
    arms: dict[tuple[str, str], _Arm] = defaultdict(_Arm)
    for digest, arm, run_id, tokens in conn.execute(query):
        if tokens:
            found = arms[digest, arm]
            found.runs.add(run_id)
            found.phases += 1
            found.tokens += int(tokens)
    return arms
