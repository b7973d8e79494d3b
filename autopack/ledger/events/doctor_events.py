"""From a doctor's model calls to the events that the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autopack.ledger.events.build_events import builder_events
from autopack.ledger.events.usage_events import event_key
from autopack.model.calls import (
    ModelCall,
)
from autopack.store.tables import DoctorModel
from autopack.store.usage_event import UsageEvent


def doctor_events(
    calls: Sequence[ModelCall],
    *,
    run_id: str,
    phase_id: str,
    attempt: int,
    tier: DoctorModel,
    action: str | None,
    earlier: int,
    simulated: bool = False,
) -> list[UsageEvent]:
    """One second-opinion event a call; ``earlier`` counts the attempt's calls before these."""
    events = builder_events(
        calls, run_id=run_id, phase_id=phase_id, attempt=attempt, simulated=simulated
    )
    return [
        replace(
            event,
            event_key=event_key(
                run_id, phase_id, attempt, event.provider, event.response_id, earlier + number
            ),
            role="doctor",
            category="second_opinion",
            is_doctor_call=True,
            doctor_model=tier,
            doctor_action=action,
        )
        for number, event in enumerate(events)
    ]
