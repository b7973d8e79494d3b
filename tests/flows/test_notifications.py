"""Automations that tell people: shipped switched off, and once on they reach a webhook."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

_SECONDS = 60


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server that keeps what it is sent."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


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
            assert await send(block, OCCASIONS[0]) == "HTTP 204"
            assert got[-1]["text"].endswith("(this is a test)")
        finally:
            for [one] in found:
                await client.delete_automation(one.id)


async def _moment() -> None:
    import asyncio

    await asyncio.sleep(0.1)
