"""Pairs that are planned once more, because they turned out void or a budget ended them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime

from autopack.experiments.design.layout import ARM_NAMES, arm_ids
from autopack.experiments.recorded.ends import RULES, End
from autopack.model.errors import Refused
from autopack.store.database.engine import Database
from autopack.store.experiment_records import (
    ExperimentRow,
    PairRow,
    add_replacement,
    amend_test,
    get_pairs,
)

# Of all planned pairs so many may be void, and are run again by themselves.
_REPLACED_SHARE = 0.20
_CUT = tuple(RULES[End.SHARED_BUDGET].kind.format(arm=arm) for arm in ("control", "treatment"))


def replace_void(db: Database, row: ExperimentRow) -> ExperimentRow:
    """Plan every void pair of an experiment once more. Raises Refused where none is."""
    void = [one for one in last_of_each(get_pairs(db, row.test_id)) if one.is_valid is False]
    if not void:
        raise Refused(
            f"no pair of {row.test_id} is void", field="replace_void", hint="leave it out"
        )
    amended = amend_test(
        db, row.test_id, {"kind": "replace_void", "pairs": [p.number for p in void]}
    )
    for pair in void:
        replace(db, row, pair)
    return amended


def replace_as_planned(db: Database, row: ExperimentRow, planned: int) -> None:
    """Plan void pairs again, as far as an experiment does so by itself.

    Of its planned pairs a fifth may be replaced. Those that its budget ended, or that a person
    cancelled, are not.
    """
    pairs = get_pairs(db, row.test_id)
    by_hand = {number for one in row.amendments or () for number in one.get("pairs") or ()}
    cut = {pair.number for pair in pairs if was_cut(pair)}
    done = sum(one.replaces is not None and one.replaces not in by_hand | cut for one in pairs)
    room = int(_REPLACED_SHARE * planned) - done
    for pair in last_of_each(pairs):
        if room > 0 and pair.is_valid is False and not was_cut(pair) and not _cancelled(pair):
            replace(db, row, pair)
            room -= 1


def replace(db: Database, row: ExperimentRow, pair: PairRow) -> None:
    """Plan a pair once more, as the next one; which arm starts is drawn again."""
    number = max(one.number for one in get_pairs(db, row.test_id)) + 1
    dice = random.Random(f"replace {row.test_id} {number}")  # noqa: S311
    control, treatment = arm_ids(row.test_id, number)
    again = PairRow(
        test_id=row.test_id,
        number=number,
        plan_name=pair.plan_name,
        plan_hash=pair.plan_hash,
        replicate=pair.replicate,
        first=pair.first if pair.first == "together" else dice.choice(ARM_NAMES),
        control_run_id=control,
        treatment_run_id=treatment,
        replaces=pair.number,
    )
    add_replacement(db, again)


def last_of_each(pairs: Sequence[PairRow]) -> list[PairRow]:
    """Return the pairs that have no replacement, in their order: one for each that was planned."""
    replaced = {pair.replaces for pair in pairs}
    return [pair for pair in pairs if pair.number not in replaced]


def standing(pairs: Sequence[PairRow]) -> list[PairRow]:
    """Return the pairs that stand for what was planned, out of those that ended.

    A void pair whose replacement has ended does not, and one that the experiment's budget ended
    is as good as not run.
    """
    found = [pair for pair in last_of_each(pairs) if not was_cut(pair)]
    return found or list(pairs)


def was_cut(pair: PairRow) -> bool:
    """Return whether the budget of its experiment ended a run of the pair."""
    return any(error.startswith(_CUT) for error in pair.errors or ())


def voids_that_count(row: ExperimentRow, pairs: Sequence[PairRow]) -> int:
    """Return how many pairs turned out void since a person last had void ones replaced."""
    times = [one["at"] for one in row.amendments or () if one["kind"] == "replace_void"]
    since = datetime.fromisoformat(times[-1]) if times else None
    return sum(
        pair.is_valid is False
        and not was_cut(pair)
        and pair.finished_at is not None
        and (since is None or pair.finished_at > since)
        for pair in pairs
    )


def _cancelled(pair: PairRow) -> bool:
    return any("DONE_CANCELLED" in error for error in pair.errors or ())
