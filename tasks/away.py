"""A Prefect server that is away: what it is needed for waits, what only shows goes without."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from prefect import get_client, get_run_logger
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.settings import PREFECT_API_URL

from autopack.clock import Clock, SystemClock
from autopack.model.errors import WorkFailed
from autopack.runs.session.session import RunSession
from autopack.secrecy.credentials import shown_address
from tasks import complaints
from tasks.retries import client_retries

T = TypeVar("T")
_TRIES = 5
"""How often in a row a call may fail on a server that answers, before that is a fault."""

_SHOWING_RETRIES = 2
_FIRST_SECONDS, _LAST_SECONDS = 1.0, 30.0
_NOT_NOW = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,  # what it says of any call while its database is away
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


def is_away(error: BaseException | None) -> bool:
    """Return whether an error means that the Prefect server does not answer, or cannot just now."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _NOT_NOW
    if isinstance(error, ConcurrencySlotAcquisitionError):
        return is_away(error.__cause__)
    return isinstance(error, httpx.TransportError)


def is_forbidden(error: BaseException | None) -> bool:
    """Return whether an error means that the login may not do this; a role may be a
    restricted one.
    """
    return (
        isinstance(error, httpx.HTTPStatusError)
        and error.response.status_code == HTTPStatus.FORBIDDEN
    )


@contextmanager
def going_without(what: str) -> Generator[None]:
    """Continue when the server is away during the block, or forbids what is of no consequence."""
    try:
        yield
    except Exception as error:
        if is_forbidden(error):
            get_run_logger().warning("%s: the Prefect server forbids it: %s", what, error)
        elif is_away(error):
            get_run_logger().warning("%s: the Prefect server does not answer: %s", what, error)
        else:
            raise


async def answers() -> bool:
    """Return whether the Prefect server answers at this moment, and reaches its database.

    One that does not say whether it does is taken at its word.
    """
    route: Any = "/ready"  # which the type of its routes leaves out
    with client_retries(0):
        async with get_client() as client:
            try:
                await client.request("GET", route)
            except httpx.HTTPStatusError as error:
                return not is_away(error) and await client.api_healthcheck() is None
            except httpx.TransportError:
                return False
    return True


async def show(what: str, step: Awaitable[None]) -> None:
    """Await a step that only shows something; skip it when the server is away.

    Prefect's client would wait a minute for it.
    """
    with going_without(what), client_retries(_SHOWING_RETRIES):
        await step


async def wait_for_server(session: RunSession) -> None:
    """Return when the Prefect server answers; the time is no working time of the run.

    Raises RunStopped when the run is stopped, and WorkFailed when it takes longer than the run
    has minutes.
    """
    with session.keeper.idle():
        try:
            await until_answers(
                session.seconds_left(),
                what=f"run {session.run_id}",
                rest=lambda seconds: session.switch.guard(asyncio.sleep(seconds)),
                say=lambda text: setattr(session, "waits_for", text),
            )
        finally:
            session.waits_for = None


async def until_answers(
    seconds: float,
    *,
    what: str,
    rest: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    say: Callable[[str], None] | None = None,
    clock: Clock | None = None,
) -> None:
    """Return when the Prefect server answers, asked less and less often; at once when it does.

    ``rest`` waits for some seconds, ``say`` is told what is waited for. Raises WorkFailed, which
    names ``what`` had to wait, after ``seconds``.
    """
    clock = clock or SystemClock()
    began = clock.monotonic()
    server = _server()
    for pause in pauses():
        if await answers():
            complaints.server_is_back()
            if (waited := clock.monotonic() - began) >= 1:
                get_run_logger().warning("the Prefect server answers again, after %.0f s", waited)
            return
        if clock.monotonic() - began >= seconds:
            raise WorkFailed(
                f"{what} waited {seconds / 60:.3g} minutes for {server}",
                field="PREFECT_API_URL",
                hint="resume with `autopack resume` once the server is back",
            )
        if pause == _FIRST_SECONDS:
            get_run_logger().warning("%s waits for %s", what, server)
            complaints.server_is_away()
            if say is not None:
                say(server)
        left = max(seconds - (clock.monotonic() - began), 0.1)
        await rest(min(pause * random.uniform(0.8, 1.2), left))  # noqa: S311 - nothing to guess


def _server() -> str:
    """Return what people call the server; Prefect starts one itself where none is named."""
    url: str | None = PREFECT_API_URL.value()
    return f"the Prefect server at {shown_address(url)}" if url else "Prefect's own server"


def pauses() -> Iterator[float]:
    """Seconds between questions, from 1 up to 30."""
    pause = _FIRST_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, _LAST_SECONDS)


async def patiently(call: Callable[[], Awaitable[T]], wait: Callable[[], Awaitable[None]]) -> T:
    """Return what a call answers that can be repeated; after ``wait`` when the server was away."""
    for left in reversed(range(_TRIES)):
        try:
            return await call()
        except Exception as error:
            if not is_away(error) or not left:
                raise
            get_run_logger().warning("the Prefect server does not answer: %s", error)
        await wait()
    raise AssertionError("unreachable")
