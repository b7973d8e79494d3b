"""A doctor's model calls as the events that the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autopack.ledger.events.usage_events import event_key
from autopack.model.ids import AttemptKey
from autopack.store.tables import DoctorModel
from autopack.store.usage_event import UsageEvent


def doctor_events(
    calls: Sequence[UsageEvent], *, tier: DoctorModel, action: str | None, earlier: int
) -> list[UsageEvent]:
    """Return the calls of an attempt as second opinions of a doctor.

    ``earlier`` counts the attempt's calls before these.
    """
    return [
        replace(
            call,
            event_key=event_key(
                AttemptKey(call.run_id, call.phase_id, call.attempt),
                call.provider,
                call.response_id,
                earlier + number,
            ),
            role="doctor",
            category="second_opinion",
            is_doctor_call=True,
            doctor_model=tier,
            doctor_action=action,
        )
        for number, call in enumerate(calls)
    ]
