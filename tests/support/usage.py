"""Model calls, as tests put them into the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autopack.ledger.events.usage_events import event_key, record_events
from autopack.model.ids import AttemptKey
from autopack.store.database.engine import Database
from autopack.store.usage_event import UsageEvent

_BASE = UsageEvent(
    event_key="",
    run_id="r",
    phase_id="one",
    attempt=1,
    provider="p",
    model="m",
    role="builder",
    category="base",
    total_tokens=10,
)
# A hundred tokens whose parts are known.
SPLIT: dict[str, Any] = {
    "total_tokens": 100,
    "input_tokens": 10,
    "cache_read_tokens": 20,
    "cache_write_tokens": 30,
    "output_tokens": 40,
}


def usage_event(number: int = 0, **changes: Any) -> UsageEvent:
    """Call ``number`` of a run ``r``: ten tokens, of which only the total is known.

    Its key is that of its run, phase, attempt and number, unless ``changes`` name one.
    """
    event = replace(_BASE, **changes)
    if event.event_key:
        return event
    key = event_key(
        AttemptKey(event.run_id, event.phase_id, event.attempt), event.provider, None, number
    )
    return replace(event, event_key=key)


def record(db: Database, *events: UsageEvent) -> int:
    """Record calls in a transaction of their own; how many were new."""
    return db.transact(lambda conn: record_events(conn, events))
