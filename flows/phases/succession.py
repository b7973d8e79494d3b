"""The phases of a run in their order: what Prefect asks for each is done beside other work.

Six requests register a subflow before it begins, and one says that it has ended: half of what an
empty phase would take. Three are left, and one of them is made beforehand: building and judging a
phase ask the server nothing, so that the next one is registered meanwhile. While the end of a phase
and the beginning of the next are told, the next attempt is started, built and judged.
Never are two told at once while a phase is to come: of two writes at once a server on SQLite
refuses one, which then waits two seconds.
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, Any

from prefect._flow_run_suspension import raise_if_flow_run_suspension_requested

from autopack.runs.approval import may_ask
from autopack.runs.next_phase import phase_after
from autopack.runs.session.session import RunSession
from flows.phases.begun import run_begun
from flows.phases.registering import PhaseFlowRuns
from tasks.ahead import Ahead, at_its_end
from tasks.attempting import build_attempt
from tasks.away import going_without
from tasks.outbox import Outbox
from tasks.slots import Limits, learn_limits, limits_on

if TYPE_CHECKING:
    from prefect.flows import Flow


class Succession:
    """Executes the phases of a run that this process holds, each as a subflow."""

    def __init__(
        self,
        session: RunSession,
        phase: Flow[[str, str], Any],
        outbox: Outbox,
    ) -> None:
        self._session, self._outbox = session, outbox
        self._named = copy(phase)
        self._named.flow_run_name = None  # its flow runs are made with their names
        self._named.should_validate_parameters = False  # they are its own
        self._flow_runs = PhaseFlowRuns(session.run_id, phase, outbox)
        self._ahead = Ahead(session)
        self._verdict = asyncio.Event()
        self._under_way: asyncio.Task[None] | None = None
        _of_runs[session.run_id] = self

    async def execute(self, phase_id: str) -> None:
        """Execute a phase until it is at its end, which Prefect may hear of later.

        Raises what the phase raises, and what telling the end of the one before it raised.
        """
        at_work: asyncio.Task[None] | None = None
        verdict = self._verdict = asyncio.Event()
        ended = asyncio.create_task(verdict.wait())
        try:
            await self._begin_ahead(phase_id)
            at_work = self._under_way = asyncio.create_task(self._execute(phase_id))
            await asyncio.wait({at_work, ended}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if at_work is not None:
                at_work.cancel()
            await self._ahead.cancel()
            with going_without("the end of a phase is not told"):
                await self._told()
            raise
        finally:
            ended.cancel()
        if at_work.done():
            await self._told()
        else:
            # What is to be shown next waits for it.
            self._outbox.send("the end of a phase is told", lambda: at_its_end(at_work))

    async def _begin_ahead(self, phase_id: str) -> None:
        """Begin what may begin before Prefect is told of the phase; return when it can be told."""
        raise_if_flow_run_suspension_requested()
        if self._limits(phase_id) is Limits.NONE:
            await self._ahead.begin(phase_id)
        if self._under_way is not None:
            await asyncio.wait({self._under_way})
        await self._told()
        await self._outbox.pause()
        if self._limits(phase_id) is Limits.UNKNOWN:
            await learn_limits()
        if self._limits(phase_id) in {Limits.NONE, Limits.SLOTS}:
            await self._ahead.begin(phase_id)

    def foresee(self, phase_id: str | None = None) -> None:
        """Have the phase registered that follows this one if it passes; the first without one."""
        session = self._session
        following = phase_after(session.plan, session.snapshot().phases, phase_id)
        if following is not None and not may_ask(session, following):
            self._flow_runs.register(following.id)

    def continue_run(self) -> None:
        """Let the run continue: its phase is at its end."""
        self._verdict.set()

    async def give_back(self) -> None:
        """End what was begun beforehand and no phase has asked for."""
        await self._ahead.give_back()

    async def close(self) -> None:
        """Return when Prefect has heard of the last phase's end; let none seem to come any more."""
        _of_runs.pop(self._session.run_id, None)
        self._flow_runs.close()
        await self._ahead.close()
        with going_without("the end of the last phase is not told"):
            await self._told()

    async def _told(self) -> None:
        """Return when the flow run that is under way is at its end. Raises what it raised."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            await at_its_end(under_way)
            await under_way

    def _limits(self, phase_id: str) -> Limits | None:
        """Return what the next build of the phase may wait for; None where there is none to begin
        before Prefect knows of the phase.
        """
        if phase_id in self._ahead or self._session.phase(phase_id).research is not None:
            return None
        return limits_on(self._session.run_id, phase_id, build_attempt.tags)

    async def _execute(self, phase_id: str) -> None:
        run_id = self._session.run_id
        parameters = {"run_id": run_id, "phase_id": phase_id}
        await run_begun(self._named, lambda: self._flow_runs.begin(phase_id), parameters)


_of_runs: dict[str, Succession] = {}


def succession_of(run_id: str) -> Succession | None:
    """Return the succession that a run's phases are executed in; None outside ``execute_run``."""
    return _of_runs.get(run_id)
