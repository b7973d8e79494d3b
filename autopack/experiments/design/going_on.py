"""Continuing an experiment: more budget, void pairs run again, and why a file is another one."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from autopack.experiments.design.layout import ARM_NAMES, arm_ids
from autopack.experiments.recorded.ends import RULES, End
from autopack.model.budget import Limits, check_cap
from autopack.model.errors import BadInput, Refused
from autopack.store.database.engine import Database
from autopack.store.experiment_records import (
    ExperimentRow,
    PairRow,
    add_replacement,
    amend_test,
    get_pairs,
)

OUT_OF_BUDGET = "the budget of the experiment"

# Of all planned pairs so many may be void, and are run again by themselves.
_REPLACED_SHARE = 0.20
_CUT = tuple(RULES[End.SHARED_BUDGET].kind.format(arm=arm) for arm in ("control", "treatment"))
_RESOURCES = tuple(field.name for field in fields(Limits))


def parse_budget(given: Collection[str]) -> Limits | None:
    """Return what ``tokens=N``, ``cost=N`` and ``minutes=N`` add; None for nothing.

    Raises BadInput naming add_budget.
    """
    added: dict[str, Any] = {}
    for entry in (part.strip() for text in given for part in text.split(",")):
        name, _, value = entry.partition("=")
        if name not in _RESOURCES or not value or name in added:
            raise BadInput(
                f"add_budget: {entry!r} cannot be read",
                field="add_budget",
                hint="use tokens=N, cost=N or minutes=N, each once",
            )
        try:
            number = Decimal(value.replace("_", "") if name == "tokens" else value)
            added[name] = {"tokens": int, "cost": Decimal, "minutes": float}[name](number)
        except (InvalidOperation, ValueError, OverflowError):
            raise BadInput(
                f"add_budget: {value!r} is not a number", field="add_budget", hint="use tokens=N"
            ) from None
        check_cap(added[name], "add_budget")
    return Limits(**added) if added else None


def limits_of(declared: Limits, amendments: Sequence[Mapping[str, Any]] | None) -> Limits:
    """Return what was declared, with all that was added."""
    tokens, cost, minutes = declared.tokens, declared.cost, declared.minutes
    for one in amendments or ():
        if one["kind"] == "budget":
            tokens = None if tokens is None else tokens + int(one["tokens"] or 0)
            cost = None if cost is None else cost + Decimal(one["cost"] or 0)
            minutes = None if minutes is None else minutes + float(one["minutes"] or 0)
    return Limits(tokens, cost, minutes)


def add_budget(db: Database, row: ExperimentRow, added: Limits, declared: Limits) -> ExperimentRow:
    """Add to the budget of an experiment, and plan the pairs again that the old one ended.

    Raises BadInput where it has no such limit, Refused where it did not end for its budget.
    """
    for name in _RESOURCES:
        if getattr(added, name) is not None and getattr(declared, name) is None:
            raise BadInput(
                f"{row.test_id} has no limit on {name}",
                field="add_budget",
                hint="add to a limit that its file declares",
            )
    if row.finished_at is not None and not (row.stop_reason or "").startswith(OUT_OF_BUDGET):
        raise Refused(
            f"{row.test_id} did not end for its budget: {row.stop_reason}",
            field="add_budget",
            hint="run it without --add-budget to see its report",
        )
    cost = None if added.cost is None else str(added.cost)
    amendment = {"tokens": added.tokens, "cost": cost, "minutes": added.minutes}
    amended = amend_test(db, row.test_id, {"kind": "budget", **amendment})
    for pair in last_of_each(get_pairs(db, row.test_id)):
        if was_cut(pair):
            _replace(db, row, pair)
    return amended


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
        _replace(db, row, pair)
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
            _replace(db, row, pair)
            room -= 1


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


def how_to_continue(limits: Limits, spec: str, report: Mapping[str, Any]) -> str | None:
    """Return the command that continues an experiment which ended for its budget or its void pairs.

    ``limits`` are those of its budget, ``report`` the JSON of its analysis.
    """
    if (report.get("stop_reason") or "").startswith(OUT_OF_BUDGET):
        name = next(name for name in _RESOURCES if getattr(limits, name) is not None)
        return f"continue with `autopack ab run {spec} --add-budget {name}=N`"
    if report.get("n_void") and report.get("decision") == "INVALID":
        return f"run the void pairs again with `autopack ab run {spec} --replace-void`"
    return None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return in what the bodies of two registrations differ, as a person would say it."""
    found = [
        f"plan {name} was edited"
        for name in old["plans"].keys() & new["plans"].keys()
        if old["plans"][name] != new["plans"][name]
    ]
    found += [f"plan {name} is no longer there" for name in old["plans"].keys() - new["plans"]]
    found += [f"plan {name} was added" for name in new["plans"].keys() - old["plans"]]
    for arm, files in new["files"].items():
        found += [
            f"the file of {arm}'s option {name} was edited"
            for name, digest in files.items()
            if old["files"][arm].get(name, digest) != digest
        ]
    declared = old["declared"], new["declared"]
    found += [
        f"{name} was changed"
        for name in declared[1]
        if name not in ("plans", "concurrency") and declared[0].get(name) != declared[1][name]
    ]
    return sorted(found)


def _cancelled(pair: PairRow) -> bool:
    return any("DONE_CANCELLED" in error for error in pair.errors or ())


def _replace(db: Database, row: ExperimentRow, pair: PairRow) -> None:
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
