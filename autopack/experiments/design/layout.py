"""Lays the pairs of an experiment out: their order, which arm starts, and what runs are called."""

from __future__ import annotations

import random
from typing import Literal

from autopack.experiments.design.definition import Experiment
from autopack.store.experiment_records import PairRow

ArmName = Literal["control", "treatment"]
ARM_NAMES: tuple[ArmName, ArmName] = ("control", "treatment")


def lay_out(experiment: Experiment, plans: dict[str, str], test_id: str) -> list[PairRow]:
    """Return the planned pairs in order, from plan names and hashes: the seed decides it all.

    Every plan comes once before any comes again, in a new order each round, and a fair coin says
    which arm of a pair starts first.
    """
    dice = random.Random(f"order {experiment.seed}")  # noqa: S311
    planned: list[tuple[str, int]] = []
    for replicate in range(1, experiment.rounds + 1):
        names = list(plans)
        dice.shuffle(names)
        planned += [(name, replicate) for name in names]
    pairs: list[PairRow] = []
    for number, (name, replicate) in enumerate(planned[: experiment.planned], start=1):
        first = dice.choice(ARM_NAMES)
        control, treatment = arm_ids(test_id, number)
        pairs.append(
            PairRow(
                test_id=test_id,
                number=number,
                plan_name=name,
                plan_hash=plans[name],
                replicate=replicate,
                first="together" if experiment.arms == "together" else first,
                control_run_id=control,
                treatment_run_id=treatment,
            )
        )
    return pairs


def arm_ids(test_id: str, number: int) -> tuple[str, str]:
    """Return what the runs of a pair are called."""
    return f"{test_id}-{number:04d}-control", f"{test_id}-{number:04d}-treatment"
