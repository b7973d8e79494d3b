"""What a call cost, from its tokens and its model's name."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from autopack.model.calls import (
    ModelCall,
)
from autopack.model.prices import price_of

MILLION = 1_000_000


def call(provider: str = "anthropic", model: str = "claude-sonnet-4-5", **tokens: Any) -> ModelCall:
    split = {"input": 0, "cache_read": 0, "cache_write": 0, "output": 0} | tokens
    total = sum(n or 0 for name, n in split.items() if name != "cache_write_1h")
    return ModelCall(provider, model, total, **split)  # pyright: ignore[reportArgumentType]


def cost(call: ModelCall) -> Decimal:
    price = price_of(call)
    assert price is not None
    return price.cost


# US dollars a million tokens: fresh, written to the cache, read from it, answered
@pytest.mark.parametrize(
    ("part", "dollars"),
    [("input", "3"), ("cache_write", "3.75"), ("cache_read", "0.3"), ("output", "15")],
)
def test_each_part_has_its_own_price(part: str, dollars: str) -> None:
    # In portions, for a long prompt costs more.
    assert 10 * cost(call(**{part: MILLION // 10})) == Decimal(dollars)  # pyright: ignore[reportArgumentType]


def test_the_parts_add_up_exactly() -> None:
    together = cost(call(input=900, cache_write=70, cache_read=5000, output=120))
    apart = [
        cost(call(**{part: n}))  # pyright: ignore[reportArgumentType]
        for part, n in [("input", 900), ("cache_write", 70), ("cache_read", 5000), ("output", 120)]
    ]
    assert together == sum(apart, Decimal(0))
    assert isinstance(together, Decimal)


def test_what_is_cached_for_an_hour_has_a_price_of_its_own() -> None:
    lasting = call(cache_write=MILLION // 10, cache_write_1h=MILLION // 10)
    half = call(cache_write=MILLION // 10, cache_write_1h=MILLION // 20)

    assert (10 * cost(lasting), 10 * cost(half)) == (Decimal(6), Decimal("4.875"))


# claude-sonnet-4-5 costs twice as much for a request of more than 200,000 tokens
@pytest.mark.parametrize(
    ("model", "most_input", "dollars"),
    [
        # one request
        ("claude-sonnet-4-5", None, "1.8"),
        # of several, each certainly small
        ("claude-sonnet-4-5", 150_000, "0.9"),
        # or perhaps not
        ("claude-sonnet-4-5", 250_000, None),
        # a model with one price
        ("claude-opus-4-5", 250_000, "1.5"),
    ],
)
def test_a_sum_of_requests_is_not_one_request(
    model: str, most_input: int | None, dollars: str | None
) -> None:
    price = price_of(replace(call(model=model, input=300_000), most_input=most_input))

    assert (price and price.cost) == (dollars and Decimal(dollars))


def test_reasoning_is_part_of_the_output() -> None:
    plain = call(output=100)
    thought = ModelCall(plain.provider, plain.model, 100, 0, 0, 0, 100, reasoning=90)
    assert cost(thought) == cost(plain)


def test_a_call_without_tokens_costs_nothing() -> None:
    assert cost(call()) == 0


def test_a_gateway_is_priced_by_the_name_of_the_model() -> None:
    assert cost(call(provider="a-gateway", input=1000)) == cost(call(input=1000))


# no price, and never zero instead
@pytest.mark.parametrize(
    "unknown",
    [
        call(provider="anthropic", model="claude-of-tomorrow-99x", input=10),
        call(provider="nobody", model="no-such-model", input=10),
        call(provider="", model="", input=10),
        # only a total is known
        ModelCall("anthropic", "claude-sonnet-4-5", 1000),
    ],
)
def test_what_is_unknown_has_no_price(unknown: ModelCall) -> None:
    assert price_of(unknown) is None


def test_a_price_names_the_list_it_comes_from() -> None:
    price = price_of(call(input=1))
    assert price is not None
    assert price.version.startswith("genai-prices ")
