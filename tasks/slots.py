"""Slots of Prefect's global concurrency limits: how many builds run at once, everywhere."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

from httpx import HTTPStatusError
from prefect import get_client, get_run_logger
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency
from prefect.exceptions import ObjectNotFound

from autopack.agents.registry import split_name
from autopack.runs.attempt.ladder import next_place
from autopack.runs.session.session import RunSession, held
from autopack.settings import process_environment
from autopack.stack import OWN_SERVER
from tasks.away import going_without, is_away, is_forbidden, patiently, wait_for_server

LEASE_SECONDS = 60
"""Seconds that the slots of a crashed process stay taken."""

# Apart from each other, so that those who wait do not all ask at once.
_PAUSE_SECONDS = (1.0, 3.0)

# Which limits the server has, as this process found them when it first asked.
_known: dict[str, bool] = {}


def builder_limit(builder: str) -> str:
    """Return the limit on builds by one builder, whichever block configures it."""
    return f"autopack-builder-{split_name(builder)[0]}"


def provider_limit(provider: str) -> str:
    """Return the limit on builds that call one provider."""
    return f"autopack-provider-{provider}"


@asynccontextmanager
async def build_slot(run_id: str, phase_id: str) -> AsyncGenerator[None]:
    """Hold a slot of every limit on the next build of the phase, while the block is open.

    Waiting for one spends nothing of the run's minutes, and ends with RunStopped when the run is
    stopped. Limits that do not exist or are switched off limit nothing.
    """
    session, slots = held(run_id), AsyncExitStack()
    with session.keeper.idle():
        await _acquire(session, phase_id, slots)
    try:
        yield
    finally:
        # A server that is away lets them go when their lease ends.
        with going_without("slots are held a little longer"):
            await slots.aclose()


async def _acquire(session: RunSession, phase_id: str, slots: AsyncExitStack) -> None:
    said = False
    while names := await patiently(
        lambda: _existing(_wanted(session, phase_id)), lambda: wait_for_server(session)
    ):
        session.switch.check()
        try:
            await slots.enter_async_context(
                concurrency(
                    names,
                    lease_duration=LEASE_SECONDS,
                    strict=True,
                    # Prefect would wait for ever in a thread that outlives the run.
                    max_retries=0,
                    # A server that was away is no reason to throw a build away.
                    raise_on_lease_renewal_failure=False,
                )
            )
        except ConcurrencySlotAcquisitionError as error:
            if not _is_taken(error):
                # One of them was deleted or switched off meanwhile, or the server is away.
                get_run_logger().warning("%s", error)
                _known.clear()
                if is_away(error):
                    continue
            elif not said:
                get_run_logger().info("waiting for a slot of %s", ", ".join(names))
                said = True
            await session.switch.guard(asyncio.sleep(_pause()))
        else:
            return


def _pause() -> float:
    return random.uniform(*_PAUSE_SECONDS)  # noqa: S311 - nothing to guess


def _is_taken(error: ConcurrencySlotAcquisitionError) -> bool:
    cause = error.__cause__
    return isinstance(cause, HTTPStatusError) and cause.response.status_code == HTTPStatus.LOCKED


def _wanted(session: RunSession, phase_id: str) -> list[str]:
    place = next_place(session, session.phase(phase_id), session.snapshot(phase_id).attempts)
    provider = place.builder.provider(place.model)
    names = [builder_limit(place.builder.name)]
    return names + ([provider_limit(provider)] if provider else [])


def is_limited(run_id: str, phase_id: str) -> bool:
    """Return whether the next build of the phase may have to wait for a slot, as far as known."""
    if process_environment().get(OWN_SERVER):
        return False
    return any(_known.get(name, True) for name in _wanted(held(run_id), phase_id))


async def _existing(names: list[str]) -> list[str]:
    """Those that the server limits; none on a server of the process's own, which nobody shares."""
    if process_environment().get(OWN_SERVER):
        return []
    unknown = [name for name in names if name not in _known]
    if unknown:
        async with get_client() as client:
            for name in unknown:
                try:
                    limit = await client.read_global_concurrency_limit_by_name(name)
                    _known[name] = limit.active
                except ObjectNotFound:
                    _known[name] = False
                except HTTPStatusError as error:
                    if not is_forbidden(error):
                        raise
                    get_run_logger().warning("limit %s is not kept: %s", name, error)
                    _known[name] = False
    return [name for name in names if _known[name]]
