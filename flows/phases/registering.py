"""The flow runs of a run's phases: registered before they begin, and not left if they never do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect import Task, get_client
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy
from prefect.context import FlowRunContext, TagsContext
from prefect.states import Cancelled, Pending, to_state_create

from tasks.outbox import Outbox

if TYPE_CHECKING:
    from prefect.flows import Flow

_STATE = "Next"
"""What the UI calls the state of a phase that is about to come; its type is PENDING."""

_NEVER_BEGAN = "the run did not come to this phase"


class PhaseFlowRuns:
    """The subflows of the flow run that this is made in, one for each phase of its run."""

    def __init__(self, run_id: str, phase: Flow[[str, str], Any], outbox: Outbox) -> None:
        self._run_id, self._phase, self._outbox = run_id, phase, outbox
        self._stands_for_it = Task(phase.fn, name=phase.name, version=phase.version)
        context = FlowRunContext.get()
        self._parent = context.flow_run if context else None
        # Retried by Prefect, a flow run takes up the phases that it was at.
        self._is_retried = self._parent is not None and self._parent.run_count > 1
        self._flow_id: UUID | None = None
        self._registered: dict[str, FlowRun] = {}
        self._unused: list[FlowRun] = []
        self._begun = set[str]()
        self._is_closed = False

    def register(self, phase_id: str) -> None:
        """Have a phase registered soon, beside other work."""
        if phase_id not in self._registered and not self._is_retried:
            self._outbox.send(
                f"phase {phase_id} is registered later", lambda: self._register(phase_id)
            )

    async def begin(self, phase_id: str) -> FlowRun | None:
        """Return the flow run in which the phase is to begin; None where it has none yet."""
        again = phase_id in self._begun or self._is_retried
        self._begun.add(phase_id)
        registered = self._registered.pop(phase_id, None)
        if registered is None and again and self._parent is not None:
            return await self._flow_run_of(phase_id, self._parent, again=True)
        return registered

    def close(self) -> None:
        """Have those cancelled that did not begin, with what is being registered just now."""
        self._is_closed = True
        self._outbox.send("a phase still seems to come", self._cancel)

    async def _register(self, phase_id: str) -> None:
        if self._parent is None or phase_id in self._begun or self._is_closed:
            return
        made = await self._flow_run_of(phase_id, self._parent)
        if phase_id in self._begun:
            self._unused.append(made)  # it came too late
        else:
            self._registered[phase_id] = made

    async def _flow_run_of(self, phase_id: str, parent: FlowRun, *, again: bool = False) -> FlowRun:
        """Return a new flow run for the phase; ``again``, one that has not ended is taken up."""
        name, key = f"{phase_id} ({self._run_id})", f"phase {phase_id}"
        tags = TagsContext.get().current_tags
        async with get_client() as client:
            task_run = await client.create_task_run(
                self._stands_for_it, parent.id, key, name=name, extra_tags=tags, state=Pending()
            )
            if again:
                its = FlowRunFilterParentTaskRunId(any_=[task_run.id])
                for found in await client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(parent_task_run_id=its)
                ):
                    if found.state is not None and not found.state.is_final():
                        return found
            if self._flow_id is None:
                self._flow_id = await client.create_flow(self._phase)
            # The client's own method asks for the flow's id each time.
            registration = FlowRunCreate(
                flow_id=self._flow_id,
                flow_version=self._phase.version,
                name=name,
                parameters={"run_id": self._run_id, "phase_id": phase_id},
                state=to_state_create(Pending(name=_STATE)),
                parent_task_run_id=task_run.id,
                tags=list(tags),
                empirical_policy=FlowRunPolicy(
                    retries=self._phase.retries,
                    retry_delay=int(self._phase.retry_delay_seconds or 0),
                ),
            )
            asked = registration.model_dump(mode="json", exclude_unset=True)
            response = await client.request("POST", "/flow_runs/", json=asked)
            return FlowRun.model_validate(response.json())

    async def _cancel(self) -> None:
        unused = [*self._unused, *self._registered.values()]
        if not unused:
            return
        async with get_client() as client:
            for flow_run in unused:
                never = Cancelled(message=_NEVER_BEGAN)
                await client.set_flow_run_state(flow_run.id, never, force=True)
