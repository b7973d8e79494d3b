"""`autopack notify`: whether people would hear of what happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter

from autopack.model.errors import BadInput, NotFound, WorkFailed
from autopack.model.value_readers import http_parts
from autopack.settings import Settings
from deployments.cli.shared.output import AsJson, out, print_json
from deployments.cli.shared.serving import start_server

if TYPE_CHECKING:
    from deployments.notifying import Occasion

Name = Literal["waiting", "finished", "budget", "circuit", "experiment"]


def send_test(
    *,
    event: Annotated[Name, Parameter(help="What the message tells of.")] = "finished",
    url: Annotated[
        str | None, Parameter(help="Send it to this webhook; default: the block autopack-notify.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Send one message, as a test.

    It goes the way of the automations, and which of them are switched on is said.
    """
    if url is not None:
        _check(url)
    settings = Settings.from_environment()
    if url is None:
        start_server(settings)()
    told = asyncio.run(_send(event, url))
    if as_json:
        print_json(told)
    else:
        out.print(f"sent to {told['to']}: {told['answer']}")
        on = [name for name, enabled in told["automations"].items() if enabled]
        if url is None:
            out.print(f"switched on: {', '.join(on) or 'none; see Automations in the Prefect UI'}")
    return 0


def _check(url: str) -> None:
    try:
        http_parts(url)
    except ValueError as error:
        raise _unusable(url) from error


def _unusable(url: str) -> BadInput:
    return BadInput(f"invalid --url: {url}", field="url", hint="use an http or https address")


async def _send(event: str, url: str | None) -> dict[str, Any]:
    import httpx
    from prefect import get_client

    from deployments.notifying import BLOCK, OCCASIONS, find_block, send

    occasion = next(one for one in OCCASIONS if one.name == event)
    automations: dict[str, bool] = {}
    try:
        if url is not None:
            return _told(urlsplit(url).netloc, await _call(url, occasion), automations)
        async with get_client() as client:
            block = await find_block(client)
            if block is None:
                raise NotFound(
                    f"there is no block {BLOCK}", field="block", hint="autopack deploy makes it"
                )
            listed = await client.read_automations()
            automations = {
                one.name: one.enabled for one in listed if one.name.startswith(f"{BLOCK}-")
            }
            answer = await send(block, occasion)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        if url is not None and not isinstance(error, httpx.HTTPError):
            raise _unusable(url) from error
        raise WorkFailed(
            f"nothing was sent: {type(error).__name__}: {error}",
            field="url" if url else "block",
            hint="put the address of your webhook into the block autopack-notify, in the Prefect UI"
            if url is None
            else "look at the address",
        ) from error
    return _told(f"the block {BLOCK}", answer, automations)


def _told(to: str, answer: str, automations: dict[str, bool]) -> dict[str, Any]:
    if answer.startswith("HTTP") and not answer.startswith("HTTP 2"):
        raise WorkFailed(f"{to} answered {answer}", hint="look at the address and its access")
    return {"to": to, "answer": answer, "automations": automations}


async def _call(url: str, occasion: Occasion) -> str:
    from prefect.blocks.webhook import Webhook
    from pydantic import SecretStr

    from deployments.notifying import call, sample_payload

    return await call(Webhook(url=SecretStr(url)), sample_payload(occasion))
