"""The budget of an experiment that ended for it: what is added, and how to continue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any

from autopack.experiments.design.replacement import last_of_each, replace, was_cut
from autopack.model.budget import Limits, check_cap
from autopack.model.errors import BadInput, Refused
from autopack.store.database.engine import Database
from autopack.store.experiment_records import ExperimentRow, amend_test, get_pairs

OUT_OF_BUDGET = "the budget of the experiment"

_RESOURCES = tuple(field.name for field in fields(Limits))
_MOST_DIGITS = 30


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
            if name == "tokens" and abs(number.adjusted()) > _MOST_DIGITS:
                raise OverflowError(value)  # int would write out a billion digits
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
            replace(db, row, pair)
    return amended


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
