"""Budgets as JSON: limits, spent and reserved, by campaign, run, phase and attempt."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from autopack.ledger.budget.budget_nodes import Node
from autopack.ledger.events.usage_events import TokenTotals
from autopack.model.budget import Amounts, Level, Limits, Scope
from autopack.store.runs import RunRow
from autopack.views.json_values import money, timestamp

Json = dict[str, Any]


def budget_view(
    run: RunRow, totals: TokenTotals, levels: Sequence[Level], nodes: Sequence[Node]
) -> Json:
    """Return the run's own level, and the whole tree: campaign, run, phases, attempts."""
    own = next(level for level in levels if level.scope is Scope.RUN)
    return {
        "limits": _limits(own.limits),
        "spent": {
            "tokens": totals.told,
            "cost": money(totals.cost),
            "minutes": round(run.elapsed_seconds / 60, 3),
        },
        "reserved": _amounts(own.reserved),
        "tree": [
            *(level_view(level) for level in levels),
            *(
                {
                    "level": "attempt",
                    "name": f"{node.phase_id}/{node.attempt}",
                    "limits": _limits(Limits()),
                    "spent": _amounts(node.spent),
                    "reserved": _amounts(
                        Amounts(
                            node.reserved.tokens,
                            node.reserved.cost or Decimal(0),
                            node.reserved.minutes,
                        )
                        if node.reserved
                        else Amounts()
                    ),
                }
                for node in nodes
            ),
        ],
    }


def level_view(level: Level) -> Json:
    """One level of the budget tree."""
    return {
        "level": level.scope.value,
        "name": level.name,
        "limits": _limits(level.limits),
        "spent": _amounts(level.spent),
        "reserved": _amounts(level.reserved),
        "per": level.period,
        "again_at": timestamp(level.again_at),
    }


def _limits(limits: Limits) -> Json:
    return {"tokens": limits.tokens, "cost": money(limits.cost), "minutes": limits.minutes}


def _amounts(amounts: Amounts) -> Json:
    return {
        "tokens": amounts.told,
        "cost": money(amounts.whole_cost),
        "minutes": round(amounts.minutes, 3),
    }
