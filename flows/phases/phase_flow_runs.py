"""The flow runs of a run's phases: each is made when its phase begins, already running.

Prefect makes a subflow in a pending state and tells the server then that it runs, which is a
request and a transition more for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect import Task, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy
from prefect.context import FlowRunContext, TagsContext
from prefect.states import Pending, Running, to_state_create

if TYPE_CHECKING:
    from prefect.flows import Flow


class PhaseFlowRuns:
    """The subflows of the flow run that this is made in, one for each phase of its run."""

    def __init__(self, run_id: str, phase: Flow[[str, str], Any]) -> None:
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise RuntimeError("phases are executed in the flow run of their run")
        self._run_id, self._phase, self._parent = run_id, phase, context.flow_run
        self._stands_for_it = Task(phase.fn, name=phase.name, version=phase.version)
        self._flow_id: UUID | None = None
        self._begun = set[str]()

    async def begin(self, phase_id: str) -> FlowRun:
        """Return the flow run in which the phase begins now: a new one that is running, or one
        that has not ended yet where the phase was begun before.
        """
        # Retried by Prefect, a flow run takes up the phases that it was at.
        again = phase_id in self._begun or self._parent.run_count > 1
        self._begun.add(phase_id)
        name, tags = f"{phase_id} ({self._run_id})", TagsContext.get().current_tags
        async with get_client() as client:
            # In the flow run of the run a task run stands for its subflow.
            task_run = await client.create_task_run(
                self._stands_for_it,
                self._parent.id,
                f"phase {phase_id}",
                name=name,
                extra_tags=tags,
                state=Pending(),
            )
            if again and (found := await _unfinished(task_run.id, client)) is not None:
                return found
            if self._flow_id is None:
                self._flow_id = await client.create_flow(self._phase)
            # The client's own method asks for the flow's id each time.
            wanted = FlowRunCreate(
                flow_id=self._flow_id,
                flow_version=self._phase.version,
                name=name,
                parameters={"run_id": self._run_id, "phase_id": phase_id},
                state=to_state_create(Running()),
                parent_task_run_id=task_run.id,
                tags=list(tags),
                empirical_policy=FlowRunPolicy(
                    retries=self._phase.retries,
                    retry_delay=int(self._phase.retry_delay_seconds or 0),
                ),
            )
            asked = wanted.model_dump(mode="json", exclude_unset=True)
            response = await client.request("POST", "/flow_runs/", json=asked)
            return FlowRun.model_validate(response.json())


async def _unfinished(task_run_id: UUID, client: PrefectClient) -> FlowRun | None:
    """Return the flow run that a task run stands for, if it has not ended."""
    its = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=[task_run_id]))
    for found in await client.read_flow_runs(flow_run_filter=its):
        if found.state is not None and not found.state.is_final():
            return found
    return None
