"""The flow runs of a run's phases: each is made when its phase begins, already running.

Prefect makes a subflow in a pending state and tells the server then that it runs, which is a
request and a transition more for each. What it needs of the parent flow run, a task run that
stands for it, is registered before the phase begins, and not left as if it would still begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect import Task, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy, TaskRun
from prefect.context import FlowRunContext, TagsContext
from prefect.states import Cancelled, Pending, Running, to_state_create

from tasks.outbox import Outbox

if TYPE_CHECKING:
    from prefect.flows import Flow

_NEVER_BEGAN = "the run did not come to this phase"


class PhaseFlowRuns:
    """The subflows of the flow run that this is made in, one for each phase of its run."""

    def __init__(self, run_id: str, phase: Flow[[str, str], Any], outbox: Outbox) -> None:
        self._run_id, self._phase, self._outbox = run_id, phase, outbox
        self._stands_for_it = Task(phase.fn, name=phase.name, version=phase.version)
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            raise RuntimeError("phases are executed in the flow run of their run")
        self._parent = context.flow_run
        # Retried by Prefect, a flow run takes up the phases that it was at.
        self._is_retried = self._parent.run_count > 1
        self._flow_id: UUID | None = None
        self._registered: dict[str, TaskRun] = {}
        self._begun = set[str]()
        self._is_closed = False

    def register(self, phase_id: str) -> None:
        """Have a phase registered soon, beside other work."""
        if phase_id not in self._registered:
            self._outbox.send(
                f"phase {phase_id} is registered later", lambda: self._register(phase_id)
            )

    async def begin(self, phase_id: str) -> FlowRun:
        """Return the flow run in which the phase begins now: a new one that is running, or one
        that has not ended yet where the phase was begun before.
        """
        again = phase_id in self._begun or self._is_retried
        self._begun.add(phase_id)
        async with get_client() as client:
            task_run = self._registered.pop(phase_id, None)
            if task_run is None:
                task_run = await self._task_run_of(phase_id, client)
            if again and (found := await _unfinished(task_run, client)) is not None:
                return found
            if self._flow_id is None:
                self._flow_id = await client.create_flow(self._phase)
            # The client's own method asks for the flow's id each time.
            registration = FlowRunCreate(
                flow_id=self._flow_id,
                flow_version=self._phase.version,
                name=self._name(phase_id),
                parameters={"run_id": self._run_id, "phase_id": phase_id},
                state=to_state_create(Running()),
                parent_task_run_id=task_run.id,
                tags=list(TagsContext.get().current_tags),
                empirical_policy=FlowRunPolicy(
                    retries=self._phase.retries,
                    retry_delay=int(self._phase.retry_delay_seconds or 0),
                ),
            )
            asked = registration.model_dump(mode="json", exclude_unset=True)
            response = await client.request("POST", "/flow_runs/", json=asked)
            return FlowRun.model_validate(response.json())

    def close(self) -> None:
        """Have those cancelled that did not begin, with what is being registered just now."""
        self._is_closed = True
        self._outbox.send("a phase still seems to come", self._cancel)

    async def _register(self, phase_id: str) -> None:
        if phase_id in self._begun or self._is_closed:
            return
        async with get_client() as client:
            self._registered[phase_id] = await self._task_run_of(phase_id, client)
            if self._flow_id is None:
                self._flow_id = await client.create_flow(self._phase)

    async def _task_run_of(self, phase_id: str, client: PrefectClient) -> TaskRun:
        """Return what stands for the phase in the flow run of the run, made once."""
        return await client.create_task_run(
            self._stands_for_it,
            self._parent.id,
            f"phase {phase_id}",
            name=self._name(phase_id),
            extra_tags=TagsContext.get().current_tags,
            state=Pending(),
        )

    def _name(self, phase_id: str) -> str:
        return f"{phase_id} ({self._run_id})"

    async def _cancel(self) -> None:
        unused = [one for phase, one in self._registered.items() if phase not in self._begun]
        if not unused:
            return
        async with get_client() as client:
            for task_run in unused:
                never = Cancelled(message=_NEVER_BEGAN)
                await client.set_task_run_state(task_run.id, never, force=True)


async def _unfinished(task_run: TaskRun, client: PrefectClient) -> FlowRun | None:
    """Return the flow run that a task run stands for, if it has not ended."""
    its = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=[task_run.id]))
    for found in await client.read_flow_runs(flow_run_filter=its):
        if found.state is not None and not found.state.is_final():
            return found
    return None
