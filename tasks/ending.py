"""The state in Prefect that says how a run stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State, StateType

from autopack.model.states import RunState


@dataclass(frozen=True)
class Standing:
    """A final state of a flow run, apart from its result."""

    type: StateType
    name: str
    message: str

    def state(self) -> State[Any]:
        """Return the same, as Prefect is told from outside of the flow run."""
        return State(type=self.type, name=self.name, message=self.message)


def standing(state: RunState, reason: str | None) -> Standing:
    """Return how the flow run of a run ends that no process works on any more."""
    message = f"{state.value}: {reason or ''}"
    if state is RunState.DONE_CANCELLED:
        return Standing(StateType.CANCELLED, "Cancelled", message)
    if state is RunState.AWAITING_APPROVAL:
        return Standing(StateType.COMPLETED, "AwaitingApproval", message)
    if state is RunState.DONE_SUCCESS:
        return Standing(StateType.COMPLETED, "Completed", message)
    if state.is_failure:
        return Standing(StateType.FAILED, "Failed", message)
    # Interrupted: a crash may be retried, and then the run is resumed.
    return Standing(StateType.CRASHED, "Crashed", message)
