"""A campaign that goes on is the one that began: its runs, its features, its cap."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support.campaigns import Ended, plan, stored

from autopack.ledger.budget.budget_tree import campaign_level, set_campaign
from autopack.model.budget import Limits
from autopack.model.errors import AutopackError
from autopack.store import Database


def test_a_campaign_goes_on_by_its_name_alone(database: Database, ended: Ended) -> None:
    for number in range(2):
        ended(f"run-{number}", features=("consolidated_metrics",))
    asked: dict[str, Any] = {"disable": ("consolidated_metrics",), "baseline": False}
    first = stored(database, plan(database, **asked))
    by_name = plan(database, enable=(), disable=(), baseline=True)
    assert by_name.campaign == plan(database, **asked).campaign
    assert stored(database, by_name) == first


# what is named when the campaign goes on, and differs from how it began
OTHERS: list[dict[str, Any]] = [
    {"enable": ("intention_context",)},
    {"enable": ("failure_hardening", "intention_context")},
    {"disable": ("phase6_metrics",)},
    {"baseline": False},
    {"run_ids": ("later",)},
    {"run_ids": ("original", "later")},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_what_is_named_has_to_agree_with_how_a_campaign_began(
    database: Database, ended: Ended, other: dict[str, Any]
) -> None:
    ended("original")
    stored(database, plan(database))
    ended("later")
    with pytest.raises(AutopackError) as refused:
        plan(database, **{"enable": ()} | other)  # pyright: ignore[reportArgumentType]
    assert refused.value.field == "campaign"


def cap(database: Database) -> Limits:
    return campaign_level(database, "c").limits


def test_a_campaign_that_goes_on_keeps_its_cap(database: Database, ended: Ended) -> None:
    ended("original")
    stored(database, plan(database, token_cap=700))
    stored(database, plan(database))
    assert cap(database).tokens == 700
    set_campaign(database, "c", Limits(tokens=50, cost=Decimal(3)))
    again = plan(database)
    stored(database, again)
    assert (cap(database), again.as_json()["reserved_tokens"]) == (Limits(50, Decimal(3)), 50)
    stored(database, plan(database, token_cap=900))
    assert cap(database) == Limits(900, Decimal(3)), "the one that is named changes, no other"


def test_a_cap_from_before_the_campaign_is_kept(database: Database, ended: Ended) -> None:
    ended("original")
    set_campaign(database, "c", Limits(tokens=50))
    stored(database, plan(database))
    assert cap(database).tokens == 50
