"""Sums of money are exact and never overflow; what no call can have is refused at entry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from support.usage import record, usage_event

from autopack.ledger.check import check
from autopack.ledger.consolidated import usage
from autopack.ledger.events.usage_events import token_totals
from autopack.store.database.engine import Database
from autopack.store.tables.rollups import usage_imports
from autopack.views.run_view import cost_view
from autopack.views.usage_view import figures

MILLION = Decimal(1_000_000)


@pytest.mark.parametrize(
    "costs",
    [
        # beyond what 64 bits hold of picodollars
        [MILLION] * 10,
        [MILLION * 9] * 30,
        # down to the last place that is kept
        [Decimal("0.000000000001")] * 3,
        [Decimal("0.1")] * 3,
        [MILLION + Decimal("0.000000999999"), Decimal("0.000000000001"), Decimal("2.5")],
        # whole dollars, and one without any
        [Decimal(7), Decimal(0)],
    ],
)
def test_sums_of_money_are_exact(database: Database, costs: list[Decimal]) -> None:
    events = [usage_event(number, cost=cost) for number, cost in enumerate(costs)]
    database.transact(
        lambda conn: conn.execute(
            sa.insert(usage_imports).values(
                run_id="r", origin="a file", imported_at=database.now(conn)
            )
        )
    )

    assert record(database, *events) == len(costs)

    assert token_totals(database, "r").cost == sum(costs)
    assert usage(database, by="day").total.cost == sum(costs)
    assert check(database) == []


@pytest.mark.parametrize(
    "impossible",
    [
        {"total_tokens": 10**12 + 1},
        {"total_tokens": 92233720368547760001},
        {"cost": Decimal(10**7) + 1},
        {"cost": Decimal("NaN")},
        {"cost": Decimal("Infinity")},
    ],
)
def test_what_no_call_can_have_is_refused(database: Database, impossible: dict[str, Any]) -> None:
    with pytest.raises(OverflowError):
        record(database, usage_event(**impossible))

    assert token_totals(database, "r").events == 0


def test_an_unpriced_call_leaves_the_known_part_known(database: Database) -> None:
    record(database, usage_event(1, cost=Decimal("0.25")), usage_event(2, cost=None))

    totals = token_totals(database, "r")

    assert (totals.cost, totals.cost_known, totals.unpriced_calls) == (None, Decimal("0.25"), 1)


@pytest.mark.parametrize(
    ("costs", "known"),
    [
        ([], 0),  # nothing was called: that cost nothing
        ([None], None),
        ([None, None], None),
        ([None, Decimal("0.25")], 0.25),
        ([Decimal(0)], 0),
    ],
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_usage_and_totals_know_the_same_cost(
    database: Database, costs: list[Decimal | None], known: float | None
) -> None:
    record(database, *(usage_event(number, cost=cost) for number, cost in enumerate(costs)))
    page = usage(database, by="model")

    assert cost_view(token_totals(database, "r"))["cost_known"] == known
    assert [figures(row)["cost_known"] for row in (*page.rows, page.total)] == (
        [known] * (len(page.rows) + 1)
    )


def test_simulated_calls_are_in_no_usage_unless_asked_for(database: Database) -> None:
    record(database, usage_event(1), usage_event(2, simulated=True, cost=Decimal(1)))

    for by in ("model", "day", "run", "role"):
        real, all_ = usage(database, by=by), usage(database, by=by, include_simulated=True)
        assert (real.total.total, all_.total.total, real.simulated_calls) == (10, 20, 1)
