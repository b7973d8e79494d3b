"""Finds earlier control runs of the plans of an experiment among what was recorded."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from autopack.experiments.recorded.from_runs import run_facts
from autopack.experiments.recorded.validity import Declaration, judge_pair
from autopack.store import tables
from autopack.store.database.engine import Database, reading
from autopack.store.experiment_records import get_test
from autopack.store.tables.experiments import ab_pairs

if TYPE_CHECKING:
    from autopack.experiments.design.registration import Registered
    from autopack.experiments.recorded.from_runs import JudgedPairs

# More runs of a plan than this add nothing to what is known of it.
MOST_A_PLAN = 20


def earlier_controls(
    db: Database, registered: Registered, judged: JudgedPairs
) -> dict[str, list[float]]:
    """The primary resource of earlier control runs, by the plan's name.

    They ended in the declared window before the experiment was registered, and make a valid pair
    with its own control runs: the same in everything that has to match. Runs of this experiment
    and runs that were the treatment of another are no earlier controls. Empty where none was
    declared.
    """
    days = registered.protocol.earlier_days
    if days is None:
        return {}
    until = get_test(db, registered.test_id).created_at
    names = {plan.plan_hash: name for name, plan in registered.plans.items()}
    runs = tables.runs
    mine = sa.select(ab_pairs.c.control_run_id).where(ab_pairs.c.test_id == registered.test_id)
    query = (
        sa.select(runs.c.run_id)
        .where(runs.c.plan_hash.in_(names))
        .where(runs.c.run_id.not_in(mine))
        .where(runs.c.run_id.not_in(sa.select(ab_pairs.c.treatment_run_id)))
        .where(runs.c.finished_at.between(until - timedelta(days=days), until))
        .order_by(runs.c.finished_at.desc(), runs.c.run_id)
    )
    with reading(db) as conn:
        candidates = list(conn.execute(query).scalars())
    facts = run_facts(db, candidates)
    by_hash = {
        judged.facts[pair.control_run_id].plan_hash: judged.facts[pair.control_run_id].arm
        for pair in judged.validity
        if pair.is_valid
    }
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run_id in candidates:
        one = facts[run_id]
        partner = by_hash.get(one.plan_hash)
        name = names[one.plan_hash]
        if partner is None or len(found[name]) >= MOST_A_PLAN:
            continue
        by_money = registered.protocol.primary == "cost"
        amount = one.metrics.get("cost") if by_money else one.arm.tokens
        if amount and judge_pair(run_id, one.arm, partner, Declaration()).is_valid:
            found[name].append(float(amount))
    return {name: amounts for name, amounts in found.items() if amounts}
