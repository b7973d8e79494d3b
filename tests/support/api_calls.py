"""Counting what this process asks a Prefect server for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import httpx

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@contextmanager
def counted() -> Generator[Counter[str]]:
    """The requests while the block is open, by method and path; ids are left out of those."""
    found: Counter[str] = Counter()
    send, send_sync = (
        httpx.AsyncHTTPTransport.handle_async_request,
        httpx.HTTPTransport.handle_request,
    )

    def count(request: httpx.Request) -> None:
        path = _ID.sub("ID", request.url.path).removeprefix("/api")
        found[f"{request.method} {path}"] += 1

    async def asked(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        count(request)
        return await send(self, request)

    def asked_sync(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        count(request)
        return send_sync(self, request)

    httpx.AsyncHTTPTransport.handle_async_request = asked
    httpx.HTTPTransport.handle_request = asked_sync
    try:
        yield found
    finally:
        httpx.AsyncHTTPTransport.handle_async_request = send
        httpx.HTTPTransport.handle_request = send_sync
