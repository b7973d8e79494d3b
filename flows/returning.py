"""How a flow run ends: its state in Prefect is the run's own, and its result can be read anyway."""

from typing import Any

from prefect.client.schemas.objects import State, StateType

from autopack.model.states import RunState
from autopack.views.run_view import Json
from tasks.ending import standing


class Ended(State[Any]):
    """A final state that a flow returns together with a result.

    Prefect raises when the result of what failed or was cancelled is asked for; callers of our
    flows get the JSON in any case, as they do from those that succeed.
    """

    async def aresult(
        self, raise_on_failure: bool = True, retry_result_failure: bool = True
    ) -> Any:
        """Return the JSON, whatever the state."""
        return await super().aresult(
            raise_on_failure=False, retry_result_failure=retry_result_failure
        )

    def result(self, raise_on_failure: bool = True, retry_result_failure: bool = True) -> Any:
        """Return the JSON, whatever the state; to be awaited where an event loop runs."""
        return super().result(raise_on_failure=False, retry_result_failure=retry_result_failure)


def state_of_run(run: Json) -> Json | Ended:
    """Return what ``execute_run`` returns for a run (the JSON of `show`): that, in the run's own
    state.
    """
    state = RunState(run["state"])
    if state is RunState.DONE_SUCCESS:
        return run
    ended = standing(state, run["failure_reason"])
    return Ended(type=ended.type, name=ended.name, message=ended.message, data=run)


def cancelled(result: Any) -> Ended:
    """Return what a campaign returns whose flow run was cancelled, with what there is of its
    result.
    """
    return Ended(
        type=StateType.CANCELLED, name="Cancelled", message="cancelled in Prefect", data=result
    )
