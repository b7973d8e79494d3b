"""Automations that tell people: shipped switched off, and once on they reach a webhook."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

_SECONDS = 60


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server that keeps what it is sent."""
    got: list[dict[str, Any]] = []

    refuses = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            if refuses.is_set():
                self.send_response(403)
            else:
                got.append(_read(sent))
                self.send_response(200)
            self.end_headers()
            self.wfile.write(b"" if refuses.is_set() else b"ok")

        def do_PUT(self) -> None:
            refuses.set()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


def _read(sent: bytes) -> dict[str, Any]:
    """Return what was sent: JSON, or JSON in the field of a form."""
    text = sent.decode()
    return json.loads(text if text.startswith("{") else parse_qs(text)["payload"][0])


ODD = 'a "quote", a line\nend, {{ braces }} and </script>'


async def test_each_event_reaches_a_webhook_once_its_automation_is_on(
    prefect_server: None, receiver: tuple[str, list[dict[str, Any]]]
) -> None:
    from prefect import get_client
    from prefect.blocks.webhook import Webhook

    from deployments.notifying import BLOCK, OCCASIONS, create_notifications, find_block, send
    from tasks.reporting import emit, emit_experiment

    url, got = receiver
    async with get_client() as client:
        await create_notifications(client)
        await create_notifications(client)  # nothing is made twice
        found = [await client.read_automations_by_name(one.automation) for one in OCCASIONS]
        assert [len(one) for one in found] == [1] * 5
        assert not any(each.enabled for [each] in found)
        try:
            hook = await Webhook.aload(BLOCK)
            hook.url = SecretStr(url)
            await hook.asave(BLOCK, overwrite=True)
            for [one] in found:
                await client.resume_automation(one.id)
            for occasion in OCCASIONS:
                payload = dict(occasion.sample) | {"reason": ODD, "sentence": ODD}
                short = occasion.event.removeprefix("autopack.")
                if "test_id" in payload:
                    emit_experiment(short, payload.pop("test_id"), **payload)
                else:
                    emit(short, payload.pop("run_id"), **payload)
            deadline = time.monotonic() + _SECONDS
            while len(got) < 5 and time.monotonic() < deadline:
                await _moment()
            assert {one["event"] for one in got} == {one.event for one in OCCASIONS}
            assert all(one["payload"]["reason"] == ODD for one in got)
            assert all(one["text"].startswith("Autopack: ") for one in got)
            block = await find_block(client)
            assert block is not None
            assert await send(block, OCCASIONS[0]) == "HTTP 200"
            assert got[-1]["text"].endswith("(this is a test)")
        finally:
            for [one] in found:
                await client.delete_automation(one.id)


def _slack(url: str) -> Any:
    from prefect.blocks.notifications import SlackWebhook

    return SlackWebhook(url=SecretStr("https://hooks.slack.com/services/T1/B1/secret1"))


def _discord(url: str) -> Any:
    from prefect.blocks.notifications import DiscordWebhook

    return DiscordWebhook(webhook_id=SecretStr("1" * 18), webhook_token=SecretStr("secret1"))


def _mail(url: str) -> Any:
    from prefect.blocks.notifications import SendgridEmail

    return SendgridEmail(
        api_key=SecretStr("secret1"), sender_email="autopack@example.org", to_emails=["a@b.org"]
    )


def _mattermost(url: str) -> Any:
    from prefect.blocks.notifications import MattermostWebhook

    return MattermostWebhook(
        hostname="127.0.0.1", port=urlsplit(url).port or 0, token=SecretStr("secret1")
    )


def _own(url: str) -> Any:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    body = {"message": "{{body}}", "about": "{{subject}}"}
    return CustomWebhookNotificationBlock(
        name="own", url=url, json_data=body, headers=None, cookies=None
    )


# the block, and where in what it sends the message is
@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # apprise imports all it has
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (_slack, lambda got: got["attachments"][0]["text"]),
        (_discord, lambda got: got["content"]),
        (_mail, lambda got: got["content"][0]["value"]),
        (_mattermost, lambda got: got["text"]),
        (_own, lambda got: got["message"]),
    ],
    ids=["slack", "discord", "mail", "mattermost", "own"],
)
async def test_blocks_that_notify_send_and_say_when_they_could_not(
    made: Any,
    said: Any,
    prefect_server: None,
    receiver: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against a stand-in: of the services only the host is another."""
    from prefect import get_client

    from deployments.notifying import BLOCK, OCCASIONS, NotSent, find_block, send

    url, got = receiver
    _have_services_at(url, monkeypatch)
    block = made(url)
    kind = type(block).get_block_type_slug()
    await block.asave(BLOCK, overwrite=True)
    try:
        async with get_client() as client:
            found = await find_block(client)
            assert found is not None
            assert found.block_type is not None
            assert found.block_type.slug == kind
            assert await send(found, OCCASIONS[1]) == "sent"
            assert "ended DONE_SUCCESS" in said(got[-1])
            assert "(this is a test)" in said(got[-1])

            receiver_refuses(url)
            with pytest.raises((NotSent, httpx.HTTPStatusError)) as refused:
                await send(found, OCCASIONS[1])
            assert "secret1" not in str(refused.value)
    finally:
        async with get_client() as client:
            found = await find_block(client)
            assert found is not None
            await client.delete_block_document(found.id)


def receiver_refuses(url: str) -> None:
    """Have the receiver answer 403 from now on."""
    httpx.put(url)


def _have_services_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.discord import NotifyDiscord
    from apprise.plugins.sendgrid import NotifySendGrid
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", url)
    monkeypatch.setattr(NotifySendGrid, "notify_url", url)
    monkeypatch.setattr(NotifyDiscord, "notify_url", url)


async def _moment() -> None:
    import asyncio

    await asyncio.sleep(0.1)
