"""The phases of a run in their order: what Prefect asks for each is done beside other work.

Three requests make and end a subflow. Building and judging a phase ask the server nothing, so that
the next attempt is started, built and judged while the end of a phase and the beginning of the next
are told. Never are two told at once while a phase is to come: of two writes at once a server on
SQLite refuses one, which then waits two seconds.
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, Any

from prefect._flow_run_suspension import raise_if_flow_run_suspension_requested

from autopack.runs.session.session import RunSession
from flows.phases.begun import run_begun
from flows.phases.phase_flow_runs import PhaseFlowRuns
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
        self._flow_runs = PhaseFlowRuns(session.run_id, phase)
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

    def continue_run(self) -> None:
        """Let the run continue: its phase is at its end."""
        self._verdict.set()

    async def give_back(self) -> None:
        """End what was begun beforehand and no phase has asked for."""
        await self._ahead.give_back()

    async def close(self) -> None:
        """Return when Prefect has heard of the last phase's end."""
        _of_runs.pop(self._session.run_id, None)
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
