"""Plans the second pairs that a registered rule asks for, once first pairs have ended."""

from __future__ import annotations

import random

from autopack.experiments.concluding import judge
from autopack.experiments.design.layout import ARM_NAMES, arm_ids
from autopack.experiments.design.registration import Registered
from autopack.experiments.design.replacement import last_of_each
from autopack.experiments.statistics.replicates import is_replicated
from autopack.store.database.engine import Database
from autopack.store.experiment_records import PairRow, add_replicate, get_pairs


def plan_replicates(db: Database, registered: Registered) -> None:
    """Plan a second pair of each plan that the rule selects; again for the same changes nothing.

    A plan is selected for certain where its first valid pair is discordant, else by a coin that
    the seed of the experiment tossed beforehand.
    """
    others = registered.protocol.replicated_others
    if others is None:
        return
    pairs = get_pairs(db, registered.test_id)
    planned = {pair.plan_name for pair in pairs if pair.replicate > 1}
    firsts = [
        pair
        for pair in last_of_each(pairs)
        if pair.replicate == 1 and pair.is_valid and pair.plan_name not in planned
    ]
    if not firsts:
        return
    facts = judge(db, registered, firsts).facts
    number = len(pairs)
    for pair in firsts:
        one, other = (facts[run_id].success for run_id in pair.runs)
        seed = registered.protocol.seed
        if is_replicated(seed, pair.plan_name, others, discordant=one != other):
            number += 1
            add_replicate(db, _second(registered.test_id, pair, number))


def _second(test_id: str, pair: PairRow, number: int) -> PairRow:
    dice = random.Random(f"replicate {test_id} {number}")  # noqa: S311
    control, treatment = arm_ids(test_id, number)
    return PairRow(
        test_id=test_id,
        number=number,
        plan_name=pair.plan_name,
        plan_hash=pair.plan_hash,
        replicate=2,
        first=pair.first if pair.first == "together" else dice.choice(ARM_NAMES),
        control_run_id=control,
        treatment_run_id=treatment,
    )
