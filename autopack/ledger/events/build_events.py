"""From the calls that a builder reports to the events that the ledger keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from autopack.ledger.events.usage_events import event_key
from autopack.model.calls import (
    Exactness,
    ModelCall,
)
from autopack.model.ids import AttemptKey
from autopack.model.prices import price_of
from autopack.store.usage_event import UsageEvent


def builder_events(
    calls: Iterable[ModelCall], key: AttemptKey, *, simulated: bool = False
) -> list[UsageEvent]:
    """One event a call, keyed so that reading the same spool again adds nothing.

    A call of which no figure is known is none: its attempt says that something is missing.
    A response id that repeats is told apart by its ordinal, a call without one by its number.
    ``simulated`` marks calls for which nobody was paid; their cost is what they would have been.
    """
    seen: Counter[str | None] = Counter()
    events: list[UsageEvent] = []
    for call in calls:
        ordinal = seen[call.response_id]
        seen[call.response_id] += 1
        if not call.total and call.exactness is not Exactness.EXACT:
            continue
        price = price_of(call)
        events.append(
            UsageEvent(
                event_key=event_key(key, call.provider, call.response_id, ordinal),
                **vars(key),
                provider=call.provider,
                model=call.model,
                role="builder",
                category="base",
                total_tokens=call.total,
                input_tokens=call.input,
                cache_read_tokens=call.cache_read,
                cache_write_tokens=call.cache_write,
                output_tokens=call.output,
                reasoning_tokens=call.reasoning,
                source="provider" if call.exactness is Exactness.EXACT else "partial",
                cost=price.cost if price else None,
                price_version=price.version if price else None,
                response_id=call.response_id,
                cache_write_1h_tokens=call.cache_write_1h,
                exactness=call.exactness.value,
                simulated=simulated,
            )
        )
    return events
