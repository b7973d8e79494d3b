"""Cancelling a flow run in Prefect cancels its runs, wherever they are executed.

Prefect ends the process of a cancelled flow run, or does nothing at all where no runner looks
after it; hooks run when a worker or runner is there to run them. So each flow looks itself, while
it works and when it is being ended, and reconciliation does what is left.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import httpx
from prefect import get_client, get_run_logger
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.runtime import flow_run as current_flow_run

from autopack.model.errors import AutopackError
from autopack.model.states import RunState
from autopack.settings import Settings, process_environment
from autopack.stack import OWN_SERVER
from autopack.store.cancelling import request_cancel_of
from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.store.runs import find_run, run_of_flow
from flows.naming import prepared_run_id
from flows.opening import application
from flows.shared_look import SharedLook
from tasks.closing import (
    DATABASE_LABEL,
    NAME_LABEL,
    cancel_runs,
    close_now,
    runs_of_campaign,
)
from tasks.verdicts import Lineage, cancelled_among, database_label

_log = logging.getLogger("autopack")


class Watched:
    """The runs of a flow run that Prefect may cancel, and whether it was."""

    def __init__(self, db: Database, lineage: Lineage | None = None) -> None:
        self._db, self._lineage = db, lineage
        self._run_ids: list[str] = []
        self.cancelled = False

    def add(self, run_ids: Iterable[str]) -> None:
        """These runs are the flow run's, too."""
        self._run_ids += run_ids
        if self.cancelled:
            request_cancel_of(self._db, self._run_ids)

    def cancel(self) -> None:
        """Ask for the end of every one; who holds it sees that within a second."""
        self.cancelled = True
        request_cancel_of(self._db, self._run_ids)

    def look(self) -> bool:
        """Return whether Prefect has the flow run cancelled; not while its server does not
        say so.
        """
        return self._lineage is not None and bool(_cancelled([self._lineage]))

    async def was_cancelled(self, run_ids: Iterable[str]) -> bool:
        """Return whether the flow run was cancelled, asked anew when one of these runs was.

        A run may have seen sooner what both are about to see.
        """
        runs = [find_run(self._db, run_id) for run_id in run_ids]
        ended = any(run is not None and run.state is RunState.DONE_CANCELLED for run in runs)
        if ended and not self.cancelled and await asyncio.to_thread(self.look):
            await asyncio.to_thread(self.cancel)
        return self.cancelled

    def close(self, settings: Settings) -> None:
        """End every one that nobody holds any more."""
        self.cancelled = True
        close_now(self._run_ids, self._db, settings)


@asynccontextmanager
async def heeding(db: Database, settings: Settings) -> AsyncGenerator[Watched]:
    """Cancel the runs that are added when the current flow run, or what it is a part of, is."""
    flow_run_id = current_flow_run.get_id()
    # A server of the process's own shows nothing to anybody who could cancel it.
    if flow_run_id is None or process_environment().get(OWN_SERVER):
        yield Watched(db)
        return
    lineage = Lineage(flow_run_id)
    watched = Watched(db, lineage)
    watching = asyncio.create_task(_watch(watched, lineage, settings.prefect_seconds))
    try:
        yield watched
    except Exception:
        raise
    except BaseException:
        # Cancelled, interrupted or terminated: Prefect knows which. Nothing may be awaited any
        # more, and there is little time.
        if watched.cancelled or watched.look():
            watched.close(settings)
        raise
    finally:
        watching.cancel()


async def _watch(watched: Watched, lineage: Lineage, seconds: float) -> None:
    await until_cancelled(lineage, seconds)
    if watched.cancelled:
        return
    log = get_run_logger()
    log.warning("cancelled in Prefect")
    while True:
        try:
            await asyncio.to_thread(watched.cancel)
        except Exception as error:  # nobody else would ask again
            is_fault = not isinstance(error, AutopackError)
            log.warning("its runs are not asked to end yet: %s", error, exc_info=is_fault)
            await asyncio.sleep(seconds)
        else:
            return


# Of the fifty runs of a fleet each would ask on its own, with a client of its own.
_looks: WeakKeyDictionary[AbstractEventLoop, SharedLook[Lineage]] = WeakKeyDictionary()


async def until_cancelled(lineage: Lineage, seconds: float) -> None:
    """Return when Prefect has one of them cancelled; it is asked every so many seconds."""
    await _look_every(seconds).until_found(lineage)


def _look_every(seconds: float) -> SharedLook[Lineage]:
    """Return the look that all flow runs of this event loop share."""

    async def look(lineages: Sequence[Lineage]) -> list[Lineage]:
        return await asyncio.to_thread(_cancelled, lineages)

    loop = asyncio.get_running_loop()
    if loop not in _looks:
        _looks[loop] = SharedLook(seconds, look)
    return _looks[loop]


def _cancelled(lineages: Sequence[Lineage]) -> list[Lineage]:
    """Return those that Prefect has cancelled; none while its server does not say so."""
    try:
        return cancelled_among(lineages)
    except httpx.HTTPError:
        return []  # away: the next look may tell
    except Exception:
        # Anything else is a fault, but one of looking: it may end neither the looks to come nor
        # a flow run that is being ended.
        _log.exception("whether flow runs were cancelled is not known")
        return []


async def declare(db: Database, name: str) -> None:
    """Let the campaign of the current flow run be found by those who reconcile ``db``."""
    flow_run_id = current_flow_run.get_id()
    if flow_run_id is not None and not process_environment().get(OWN_SERVER):
        async with get_client() as client:
            await client.update_flow_run_labels(
                UUID(flow_run_id), {DATABASE_LABEL: database_label(db), NAME_LABEL: name}
            )


async def cancel_its_run(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook: end the run that a cancelled flow run worked on, or has prepared."""
    async with application(flow_run.parameters.get("database")) as (db, settings):
        run = run_of_flow(db, str(flow_run.id))
        if run is None:
            named = flow_run.parameters.get("run_id") or prepared_run_id(flow_run)
            run = find_run(db, named) if named else None
            holder = holder_of(db, run.run_id) if run else None
            if holder is not None and not holder.is_gone():
                return  # another flow run works on it
        await cancel_runs([run.run_id] if run else [], db, settings)


async def cancel_its_runs(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook: end the runs of a cancelled campaign."""
    async with get_client() as client:
        # What the process of the flow run has told the server since it began.
        flow_run = await client.read_flow_run(flow_run.id)
    async with application(flow_run.parameters.get("database")) as (db, settings):
        name = str(flow_run.labels.get(NAME_LABEL) or flow_run.name)
        await cancel_runs(runs_of_campaign(db, flow.name, flow_run, name), db, settings)
