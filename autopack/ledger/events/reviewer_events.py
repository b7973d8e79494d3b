"""A reviewer's model calls as the events that the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autopack.ledger.events.usage_events import event_key
from autopack.model.ids import AttemptKey
from autopack.store.usage_event import UsageEvent

# More calls than a build and the doctors of an attempt make, and than one review makes, so that
# each has a number of its own among those of the attempt.
_OF_OTHERS, _OF_ONE = 10**9, 10**6


def reviewer_events(calls: Sequence[UsageEvent], *, call: int) -> list[UsageEvent]:
    """Return the calls of an attempt as second opinions of a reviewer, asked for the
    ``call``-th time.
    """
    return [
        replace(
            one,
            event_key=event_key(
                AttemptKey(one.run_id, one.phase_id, one.attempt),
                one.provider,
                one.response_id,
                _OF_OTHERS + call * _OF_ONE + number,
            ),
            role="reviewer",
            category="second_opinion",
        )
        for number, one in enumerate(calls)
    ]
