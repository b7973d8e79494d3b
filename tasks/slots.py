"""Slots of Prefect's global concurrency limits: how many builds run at once, everywhere."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from itertools import count

from httpx import HTTPStatusError
from prefect import get_client, get_run_logger
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency
from prefect.context import TagsContext
from prefect.settings import PREFECT_API_URL

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

_PAGE = 10
"""How many limits are listed at once; a server may be set to refuse more than a few."""

_KNOWN_SECONDS = 60.0
"""How long this process goes by the limits that it has seen."""


@dataclass(frozen=True)
class _Seen:
    """The limits of a server that are switched on; those on tags may be hidden from a login."""

    at: float
    active: frozenset[str]
    is_complete: bool


_known: dict[str, _Seen] = {}


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


@asynccontextmanager
async def free_build_slot(run_id: str, phase_id: str) -> AsyncGenerator[bool]:
    """Hold a slot of every limit on the next build of the phase where all have one to spare.

    Yields whether they do. Raises what asking the server raises.
    """
    names = await _existing(_wanted(held(run_id), phase_id))
    slots = AsyncExitStack()
    try:
        await slots.enter_async_context(_slots(names))
        is_free = True
    except ConcurrencySlotAcquisitionError:
        is_free = False  # who waits for it finds out why
    try:
        yield is_free
    finally:
        with going_without("slots are held a little longer"):
            await slots.aclose()


def _slots(names: list[str]) -> AbstractAsyncContextManager[None]:
    return concurrency(
        names,
        lease_duration=LEASE_SECONDS,
        strict=True,
        # Prefect would wait for ever in a thread that outlives the run.
        max_retries=0,
        # A server that was away is no reason to throw a build away.
        raise_on_lease_renewal_failure=False,
    )


async def _acquire(session: RunSession, phase_id: str, slots: AsyncExitStack) -> None:
    said = False
    while names := await patiently(
        lambda: _existing(_wanted(session, phase_id)), lambda: wait_for_server(session)
    ):
        session.switch.check()
        try:
            await slots.enter_async_context(_slots(names))
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


class Limits(Enum):
    """What a build may have to wait for before it begins."""

    NONE = "none"
    SLOTS = "slots"
    """Slots of the limits on builders and providers, which Autopack takes."""
    TAGS = "tags"
    """A limit on tasks by their tags, which Prefect keeps itself."""
    UNKNOWN = "unknown"
    """This process has not asked yet."""


def limits_on(run_id: str, phase_id: str, tags: Iterable[str]) -> Limits:
    """Return what limits the next build of the phase, by a task with these tags."""
    if process_environment().get(OWN_SERVER):
        return Limits.NONE
    seen = _recently_seen()
    if seen is None:
        return Limits.UNKNOWN
    tagged = {f"tag:{tag}" for tag in (*tags, *TagsContext.get().current_tags)}
    if not seen.is_complete or not tagged.isdisjoint(seen.active):
        return Limits.TAGS
    is_limited = not seen.active.isdisjoint(_wanted(held(run_id), phase_id))
    return Limits.SLOTS if is_limited else Limits.NONE


async def learn_limits() -> None:
    """Find out which limits there are, unless this process has just seen them."""
    await _existing([])


async def _existing(names: list[str]) -> list[str]:
    """Those that the server limits; none on a server of the process's own, which nobody shares."""
    if process_environment().get(OWN_SERVER):
        return []
    seen = _recently_seen()
    if seen is None:
        seen = _known[PREFECT_API_URL.value()] = await _look()
    return [name for name in names if name in seen.active]


def _recently_seen() -> _Seen | None:
    seen = _known.get(PREFECT_API_URL.value())
    return seen if seen is not None and time.monotonic() - seen.at < _KNOWN_SECONDS else None


async def _look() -> _Seen:
    found = set[str]()
    async with get_client() as client:
        for offset in count(step=_PAGE):
            try:
                page = await client.read_global_concurrency_limits(limit=_PAGE, offset=offset)
            except HTTPStatusError as error:
                if not is_forbidden(error):
                    raise
                get_run_logger().warning("limits on builds are not kept: %s", error)
                return _Seen(time.monotonic(), frozenset(), is_complete=False)
            found |= {limit.name for limit in page if limit.active}
            if len(page) < _PAGE:
                break
    return _Seen(time.monotonic(), frozenset(found), is_complete=True)
