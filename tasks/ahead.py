"""The next attempt of a run: started, built and judged before Prefect knows of its phase."""

from __future__ import annotations

import asyncio
from asyncio import Future, Task
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from anyio import CancelScope

from autopack.model.causes import Failure
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.attempt.begin_attempt import give_back
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import in_thread
from autopack.store.rows import AttemptRow
from tasks.slots import build_slot, free_build_slot

Started = AttemptRow | Decision


def _future() -> Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass
class _Begun:
    has_slot: Future[bool] = field(default_factory=_future)
    started: Future[Started] = field(default_factory=_future)
    built: Future[str | None] = field(default_factory=_future)
    judged: Future[Failure | None] = field(default_factory=_future)
    to_judge: AttemptKey | None = None
    """The attempt that is judged once it is built; None until then, and where none is."""
    work: Task[None] | None = None

    def found(self) -> Started | None:
        """Return what came of starting; None while it is under way, and where it failed."""
        return self.started.result() if _is_known(self.started) else None

    def fail(self, error: BaseException) -> None:
        """Have those who wait for what is still to come raise ``error``."""
        for future in (self.has_slot, self.started, self.built, self.judged):
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen, also where nobody waits

    async def cancel(self) -> None:
        """End what is under way of it."""
        if self.work is not None:
            self.work.cancel()
            await at_its_end(self.work)


class Ahead:
    """What is begun of a run's phases beforehand, until a task asks for it."""

    def __init__(self, session: RunSession) -> None:
        self._session = session
        self._begun: dict[str, _Begun] = {}
        self._judging: dict[AttemptKey, _Begun] = {}
        self._at_work = set[Task[None]]()
        _of_runs[session.run_id] = self

    def __contains__(self, phase_id: str) -> bool:
        return phase_id in self._begun

    async def begin(self, phase_id: str) -> None:
        """Start the phase's next attempt, build and judge it, beside what is awaited from now on.

        Does nothing where the build would have to wait for a slot. Raises what asking for one
        raised.
        """
        begun = self._begun[phase_id] = _Begun()
        begun.work = work = asyncio.create_task(self._work(phase_id, begun))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        has_slot = False
        try:
            has_slot = await asyncio.shield(begun.has_slot)
        except asyncio.CancelledError:
            await begun.cancel()
            raise
        finally:
            if not has_slot:
                self._begun.pop(phase_id, None)

    async def started(self, phase_id: str) -> Started:
        """Return what came of starting the attempt, which is kept here until its build is asked
        for. Raises what starting raised.
        """
        begun = self._begun[phase_id]
        await asyncio.wait({begun.started})
        if not _is_to_build(begun.found()):
            del self._begun[phase_id]
        return begun.started.result()

    def is_building(self, key: AttemptKey) -> bool:
        """Return whether the build of the attempt was begun here, and nobody asked for it yet."""
        begun = self._begun.get(key.phase_id)
        found = begun.found() if begun is not None else None
        return isinstance(found, AttemptRow) and found.key == key

    async def built(self, phase_id: str) -> str | None:
        """Return what building returns, once it does, or raise what it raises.

        Cancelled, it cancels the build and waits for its end.
        """
        begun = self._begun.pop(phase_id)
        try:
            built = await asyncio.shield(begun.built)
        except asyncio.CancelledError:
            await begun.cancel()
            raise
        if begun.to_judge is not None:
            self._judging[begun.to_judge] = begun
        return built

    def is_judging(self, key: AttemptKey) -> bool:
        """Return whether the attempt is judged here, and nobody asked for that yet."""
        return key in self._judging

    async def judged(self, key: AttemptKey) -> Failure | None:
        """Return what judging the attempt returns, once it does, or raise what it raises.

        Cancelled, it cancels that and waits for its end.
        """
        begun = self._judging.pop(key)
        try:
            return await asyncio.shield(begun.judged)
        except asyncio.CancelledError:
            await begun.cancel()
            raise

    async def stop_judging(self) -> None:
        """Cancel what nobody asked for, and wait for its end: the worktree is nobody's then."""
        judging = [*self._judging.values()]
        self._judging.clear()
        for one in judging:
            await one.cancel()

    async def give_back(self) -> None:
        """End the attempts that were not built, once a stop of the run has ended the builds."""
        begun = [*self._begun.values()]
        self._begun.clear()
        for work in [*self._at_work]:
            await at_its_end(work)
        for one in begun:
            if isinstance(found := one.found(), AttemptRow):
                stands = self._session.attempt(found.key)
                await asyncio.to_thread(give_back, self._session, stands)

    async def cancel(self) -> None:
        """End the builds that no task asked for, and what is judged for none."""
        begun = [*self._begun.values()]
        self._begun.clear()
        for one in begun:
            await one.cancel()
        await self.stop_judging()

    async def close(self) -> None:
        """Leave nothing at work."""
        _of_runs.pop(self._session.run_id, None)
        await self.cancel()
        for work in [*self._at_work]:
            await at_its_end(work)  # its slot is given back

    async def _work(self, phase_id: str, begun: _Begun) -> None:
        try:
            to_judge = await self._build(phase_id, begun)
            if to_judge is not None:
                begun.judged.set_result(await self._judge(to_judge))
        except Exception as error:
            begun.fail(error)
        except BaseException as error:
            begun.fail(error)
            raise

    async def _build(self, phase_id: str, begun: _Begun) -> AttemptKey | None:
        """Start and build the attempt; return it where it is to be judged."""
        session = self._session
        async with free_build_slot(session.run_id, phase_id) as is_free:
            begun.has_slot.set_result(is_free)
            if not is_free:
                return None
            started = await in_thread(lambda _: steps.begin(session, phase_id))
            begun.started.set_result(started)
            if not _is_to_build(started):
                return None
            # Whatever Prefect is waited for meanwhile.
            with session.keeper.working():
                built = await steps.build(session, started.key)
            # What is pushed between the two is noted, which two may not do at once.
            is_built = session.attempt(started.key).state is AttemptState.BUILT
            if is_built and session.run().push is None:
                begun.to_judge = started.key
            begun.built.set_result(built)
            return begun.to_judge

    async def _judge(self, key: AttemptKey) -> Failure | None:
        with self._session.keeper.working():
            return await steps.validate(self._session, key)


def _is_known(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _is_to_build(started: Started | None) -> TypeGuard[AttemptRow]:
    return isinstance(started, AttemptRow) and started.state is AttemptState.STARTED


async def at_its_end(task: Task[Any]) -> None:
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


def slot_of_build(run_id: str, phase_id: str) -> AbstractAsyncContextManager[None]:
    """Hold a slot of every limit on the phase's next build, which may be held already."""
    ahead = ahead_of(run_id)
    is_held = ahead is not None and phase_id in ahead
    return nullcontext() if is_held else build_slot(run_id, phase_id)
