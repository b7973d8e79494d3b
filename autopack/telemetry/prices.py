"""What a model call cost, from the price snapshot that ships with genai-prices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from autopack.builders.protocol import ModelCall


@dataclass(frozen=True)
class Price:
    """The cost of one call in US dollars and the version of the price list behind it."""

    cost: Decimal
    version: str


def price_of(call: ModelCall) -> Price | None:
    """The price of ``call``; None when its model is unknown or its split is.

    A provider that the price list does not know (a gateway, a local proxy) is no reason to
    guess: the model name alone must then identify the model.
    """
    if call.input is None:
        return None
    import genai_prices

    usage = genai_prices.Usage(
        input_tokens=call.input + (call.cache_read or 0) + (call.cache_write or 0),
        cache_read_tokens=call.cache_read,
        cache_write_tokens=call.cache_write,
        output_tokens=call.output,
    )
    for provider in (call.provider, None):
        try:
            price = genai_prices.calc_price(usage, model_ref=call.model, provider_id=provider)
        except LookupError:
            continue
        return Price(price.total_price, f"genai-prices {genai_prices.__version__}")
    return None
