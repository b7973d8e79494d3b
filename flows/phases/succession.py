"""The phases of a run in their order: what Prefect asks for each is done beside other work.

Six requests register a subflow before it begins, and one says that it has ended: half of what an
empty phase takes. Building and judging a phase ask the server nothing, so that the flow run of the
next one is registered meanwhile; and while the end of a phase is told, the next attempt is started.
Never are two told at once while a phase is to come: of two writes at once a server on SQLite
refuses one, which then waits two seconds.
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, Any

from anyio import CancelScope
from prefect import Task, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, TagsContext
from prefect.flow_engine import run_flow_async
from prefect.states import Cancelled, Pending

from autopack.repair.decide import Decision
from autopack.runs.approval import may_ask
from autopack.runs.attempt.begin_attempt import give_back
from autopack.runs.next_phase import phase_after
from autopack.runs.session.session import RunSession
from autopack.store.rows import AttemptRow
from tasks.attempting import start_attempt
from tasks.away import going_without
from tasks.outbox import Outbox
from tasks.slots import is_limited

if TYPE_CHECKING:
    from prefect.flows import Flow

_STATE = "Next"
"""What the UI calls the state of a phase that is about to come; its type is PENDING."""

_NEVER_BEGAN = "the run did not come to this phase"


class Succession:
    """Executes the phases of a run that this process holds, each as a subflow."""

    def __init__(
        self,
        session: RunSession,
        phase: Flow[[str, str], Any],
        outbox: Outbox,
    ) -> None:
        self._session, self._phase, self._outbox = session, phase, outbox
        self._named = copy(phase)
        self._named.flow_run_name = None  # it is registered with its name
        context = FlowRunContext.get()
        self._parent = context.flow_run if context else None
        self._is_retried = self._parent is not None and self._parent.run_count > 1
        self._registered: dict[str, FlowRun] = {}
        self._begun = set[str]()
        self._unused: list[FlowRun] = []
        self._is_closed = False
        self._started: dict[str, asyncio.Task[AttemptRow | Decision]] = {}
        self._verdict = asyncio.Event()
        self._under_way: asyncio.Task[None] | None = None
        _of_runs[session.run_id] = self

    async def execute(self, phase_id: str) -> None:
        """Execute a phase until it is at its end, which Prefect may hear of later.

        Raises what the phase raises, and what telling the end of the one before it raised.
        """
        if self._may_start(phase_id):
            starting = start_attempt(self._session.run_id, phase_id)
            self._started[phase_id] = asyncio.create_task(starting)
        await self._told()
        await self._outbox.pause()
        at_its_end = asyncio.Event()
        self._verdict = at_its_end
        self._under_way = under_way = asyncio.create_task(self._execute(phase_id))
        ended = asyncio.create_task(at_its_end.wait())
        try:
            await asyncio.wait({under_way, ended}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            under_way.cancel()
            with going_without("the end of a phase is not told"):
                await self._told()
            raise
        finally:
            ended.cancel()
        if under_way.done():
            await self._told()
        else:
            # What is to be shown next waits for it.
            self._outbox.send("the end of a phase is told", lambda: _at_its_end(under_way))

    async def start_attempt(self, run_id: str, phase_id: str) -> AttemptRow | Decision:
        """Start the phase's next attempt; or return what came of it where that is done already."""
        started = self._started.pop(phase_id, None)
        return await (started or start_attempt(run_id, phase_id))

    def foresee(self, phase_id: str | None = None) -> None:
        """Have the flow run registered of the phase that follows this one if it passes; of the
        first without one.
        """
        session = self._session
        following = phase_after(session.plan, session.snapshot().phases, phase_id)
        if following is None or following.id in self._registered:
            return
        # Retried by Prefect, a flow run takes up the phases that it was at.
        if not self._is_retried and not may_ask(session, following):
            self._outbox.send(
                f"phase {following.id} is registered later", lambda: self._register(following.id)
            )

    def continue_run(self) -> None:
        """Let the run continue: its phase is at its end."""
        self._verdict.set()

    async def give_back(self) -> None:
        """End the attempts that were started beforehand and will not be built."""
        for phase_id in list(self._started):
            started = self._started.pop(phase_id)
            await _at_its_end(started)
            if not started.cancelled() and started.exception() is None:
                await asyncio.to_thread(give_back, self._session, started.result())

    async def close(self) -> None:
        """Return when Prefect has heard of the last phase's end; let none seem to come any more."""
        _of_runs.pop(self._session.run_id, None)
        self._is_closed = True
        # After what is being registered just now.
        self._outbox.send("a phase still seems to come", self._cancel)
        for started in self._started.values():
            await _at_its_end(started)
        with going_without("the end of the last phase is not told"):
            await self._told()

    async def _told(self) -> None:
        """Return when the flow run that is under way is at its end. Raises what it raised."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            await _at_its_end(under_way)
            await under_way

    def _may_start(self, phase_id: str) -> bool:
        """Return whether an attempt may be started before Prefect knows of the phase."""
        if phase_id in self._started or self._session.phase(phase_id).research is not None:
            return False
        return not is_limited(self._session.run_id, phase_id)

    async def _execute(self, phase_id: str) -> None:
        again = phase_id in self._begun or self._is_retried
        self._begun.add(phase_id)
        flow_run = self._registered.pop(phase_id, None)
        if flow_run is None and again and self._parent is not None:
            flow_run = await self._flow_run_of(phase_id, self._parent, again=True)
        if flow_run is None:
            await self._phase(self._session.run_id, phase_id)
        else:
            await run_flow_async(self._named, flow_run, self._parameters(phase_id))

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
        stands_for_it = Task(self._phase.fn, name=self._phase.name, version=self._phase.version)
        name = f"{phase_id} ({self._session.run_id})"
        async with get_client() as client:
            task_run = await client.create_task_run(
                stands_for_it, parent.id, f"phase {phase_id}", name=name, state=Pending()
            )
            if again:
                its = FlowRunFilterParentTaskRunId(any_=[task_run.id])
                for found in await client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(parent_task_run_id=its)
                ):
                    if found.state is not None and not found.state.is_final():
                        return found
            return await client.create_flow_run(
                self._phase,
                name=name,
                parameters=self._parameters(phase_id),
                state=Pending(name=_STATE),
                parent_task_run_id=task_run.id,
                tags=TagsContext.get().current_tags,
            )

    async def _cancel(self) -> None:
        unused = [*self._unused, *self._registered.values()]
        if not unused:
            return
        async with get_client() as client:
            for flow_run in unused:
                never = Cancelled(message=_NEVER_BEGAN)
                await client.set_flow_run_state(flow_run.id, never, force=True)

    def _parameters(self, phase_id: str) -> dict[str, str]:
        return {"run_id": self._session.run_id, "phase_id": phase_id}


async def _at_its_end(task: asyncio.Task[Any]) -> None:
    """Return when a task is at its end, which it comes to by itself.

    A limit on the time of a flow run cancels what is awaited again and again.
    """
    with CancelScope(shield=True):
        await asyncio.wait({task})


_of_runs: dict[str, Succession] = {}


def succession_of(run_id: str) -> Succession | None:
    """Return the succession that a run's phases are executed in; None outside ``execute_run``."""
    return _of_runs.get(run_id)
