"""What a model call cost, from the price snapshot that ships with genai-prices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from autopack.model.calls import (
    ModelCall,
)

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice


@dataclass(frozen=True)
class Price:
    """The cost of one call in US dollars and the version of the price list behind it."""

    cost: Decimal
    version: str


@lru_cache(maxsize=8192)
def price_of(call: ModelCall) -> Price | None:
    """Return the price of ``call``; None when its model is unknown, its split, or the tier it is
    in.

    A provider that the price list does not know (a gateway, a local proxy) is no reason to
    guess: the model name alone must then identify the model. Some models cost more when one
    request takes in more than so many tokens: a sum of several is priced only where none of its
    requests can have reached that.
    """
    if call.input is None:
        return None
    import genai_prices

    usage = genai_prices.Usage(
        input_tokens=call.taken_in,
        cache_read_tokens=call.cache_read,
        cache_write_tokens=call.cache_write,
        cache_write_1h_tokens=call.cache_write_1h,
        output_tokens=call.output,
    )
    for provider in (call.provider, None):
        try:
            price = genai_prices.calc_price(usage, model_ref=call.model, provider_id=provider)
        except LookupError:
            continue
        version = f"genai-prices {genai_prices.__version__}"
        tiers = _tiers(price.model_price)
        if call.most_input is None or call.taken_in <= min(tiers, default=call.taken_in):
            return Price(price.total_price, version)
        if call.most_input > min(tiers):
            return None
        return Price(_without_tiers(price.model_price).calc_price(usage)["total_price"], version)
    return None


def is_priced(provider: str, model: str) -> bool:
    """Return whether calls of the model have a known price."""
    return price_of(ModelCall(provider, model, 2, 1, 0, 0, 1)) is not None


def _tiers(price: ModelPrice) -> list[int]:
    """From how many tokens of one request on the model costs more."""
    from genai_prices.types import TieredPrices

    prices = vars(price).values()
    return [tier.start for each in prices if isinstance(each, TieredPrices) for tier in each.tiers]


def _without_tiers(price: ModelPrice) -> ModelPrice:
    """Return what a request costs that stays below all tiers."""
    from genai_prices.types import ModelPrice, TieredPrices

    return ModelPrice(
        **{
            name: each.base if isinstance(each, TieredPrices) else each
            for name, each in vars(price).items()
        }
    )
