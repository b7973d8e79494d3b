"""The next attempt of a run, started and built before Prefect knows of its phase."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeGuard

from anyio import CancelScope

from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.attempt.begin_attempt import give_back
from autopack.runs.session.session import RunSession
from autopack.store.rows import AttemptRow


@dataclass(frozen=True)
class _Begun:
    starting: asyncio.Task[AttemptRow | Decision]
    building: asyncio.Task[str | None]

    def found(self) -> AttemptRow | Decision | None:
        """Return what came of starting; None while it is under way, and where it failed."""
        is_known = self.starting.done() and self.starting.exception() is None
        return self.starting.result() if is_known else None

    async def at_its_end(self) -> None:
        await at_its_end(self.starting)
        await at_its_end(self.building)


class Ahead:
    """What is begun of a run's phases beforehand, until a task asks for it."""

    def __init__(self, session: RunSession) -> None:
        self._session = session
        self._begun: dict[str, _Begun] = {}
        _of_runs[session.run_id] = self

    def __contains__(self, phase_id: str) -> bool:
        return phase_id in self._begun

    def begin(self, phase_id: str) -> None:
        """Start the phase's next attempt and build it, beside what is awaited meanwhile."""
        starting = asyncio.create_task(asyncio.to_thread(steps.begin, self._session, phase_id))
        building = asyncio.create_task(_build(self._session, starting))
        self._begun[phase_id] = _Begun(starting, building)

    async def started(self, phase_id: str) -> AttemptRow | Decision:
        """Return what came of starting the attempt, which is kept here until its build is asked
        for. Raises what starting raised.
        """
        begun = self._begun[phase_id]
        await at_its_end(begun.starting)
        if not _is_to_build(begun.found()):
            del self._begun[phase_id]
        return begun.starting.result()

    def building(self, key: AttemptKey) -> asyncio.Task[str | None] | None:
        """Hand out the build of the attempt that is under way; None where none was begun here."""
        begun = self._begun.get(key.phase_id)
        found = begun.found() if begun is not None else None
        if begun is None or not isinstance(found, AttemptRow) or found.key != key:
            return None
        del self._begun[key.phase_id]
        return begun.building

    async def give_back(self) -> None:
        """End the attempts that were not built, once a stop of the run has ended the builds."""
        for begun in self._take_all():
            await begun.at_its_end()
            if isinstance(found := begun.found(), AttemptRow):
                stands = self._session.attempt(found.key)
                await asyncio.to_thread(give_back, self._session, stands)

    async def close(self) -> None:
        """Leave nothing at work."""
        _of_runs.pop(self._session.run_id, None)
        for begun in self._take_all():
            await at_its_end(begun.starting)
            begun.building.cancel()
            await begun.at_its_end()

    def _take_all(self) -> list[_Begun]:
        begun = list(self._begun.values())
        self._begun.clear()
        return begun


async def _build(session: RunSession, starting: asyncio.Task[AttemptRow | Decision]) -> str | None:
    await asyncio.wait({starting})
    if starting.exception() is None and _is_to_build(started := starting.result()):
        return await steps.build(session, started.key)
    return None


def _is_to_build(started: AttemptRow | Decision | None) -> TypeGuard[AttemptRow]:
    return isinstance(started, AttemptRow) and started.state is AttemptState.STARTED


async def at_its_end(task: asyncio.Task[Any]) -> None:
    """Return when a task is at its end, which it comes to by itself.

    A limit on the time of a flow run cancels what is awaited again and again.
    """
    with CancelScope(shield=True):
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # seen: what became of it is asked elsewhere


_of_runs: dict[str, Ahead] = {}


def ahead_of(run_id: str) -> Ahead | None:
    """Return what is begun beforehand of a run; None where nothing ever is."""
    return _of_runs.get(run_id)
