"""What mitigations saved by the measure of the hold-out: the difference of its arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from autopack.ledger.events.usage_events import Lost, lost_by_phase
from autopack.store.pattern_hits import of_run, origin
from autopack.store.tables import runs, usage_by_run
from autopack.store.tables.patterns import pattern_hits

_LEAST_RUNS = 2
"""Runs that each arm must have before their difference is told."""


@dataclass
class _Arm:
    """Phases weigh by how unlikely their arm was, as `arm_weight` says."""

    runs: set[str] = field(default_factory=set[str])
    weight: float = 0.0
    tokens: float = 0.0

    @property
    def mean(self) -> float:
        return self.tokens / self.weight


def arm_weight(arm: str, share: float) -> float:
    """Return what a phase weighs in the mean of its arm, given the share that was held out.

    Where the share was changed, the arms are made of other mixtures of earlier and later phases;
    weighed by how unlikely their arm was, both stand for all of them (Horvitz and Thompson 1952).
    """
    chance = share if arm == "held_out" else 1 - share
    return 1 / chance if chance > 0 else 1.0


def untold(conn: sa.Connection) -> Mapping[tuple[str, str], Lost]:
    """Return the run and phase of every draw whose calls did not tell all that they used."""
    drawn = sa.select(pattern_hits.c.run_id).where(pattern_hits.c.arm.is_not(None))
    return lost_by_phase(conn, lambda table: table.c.run_id.in_(drawn))


def mitigations_saved(conn: sa.Connection, chosen: sa.ColumnElement[bool]) -> int | None:
    """Return the tokens that mitigations saved in the phases ``chosen``; None without data.

    Each treated phase counts with what held-out ones of its pattern used more in the mean, over
    all runs: an unbiased estimate of the total, with its sign. A phase of which a part is unknown
    has no mean to tell, and a replay is no further run.
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
        sa.select(
            hits.c.digest,
            hits.c.arm,
            hits.c.share,
            hits.c.run_id,
            hits.c.phase_id,
            origin(),
            spent.c.tokens,
        )
        .select_from(hits.join(spent, same).outerjoin(runs, of_run()))
        .where(hits.c.digest.in_(digests), hits.c.arm.is_not(None), hits.c.outcome.is_not(None))
    )
    arms: dict[tuple[str, str], _Arm] = defaultdict(_Arm)
    lost = untold(conn)
    for digest, arm, share, run_id, phase_id, first, tokens in conn.execute(query):
        if tokens and (run_id, phase_id) not in lost:
            found, weight = arms[digest, arm], arm_weight(arm, share)
            found.runs.add(first)
            found.weight += weight
            found.tokens += weight * int(tokens)
    return arms
