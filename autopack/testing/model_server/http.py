"""As much of HTTP/1.1 as model clients use: requests with a length or in chunks, answers whole or
in chunks, connections kept open."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class HttpRequest:
    """One request; header names are in lower case, ``path`` is without the query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """Return the next request of a connection, or None when the client closed it or speaks
    no HTTP.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _version = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length") or 0))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        return None
    return HttpRequest(method, urlsplit(target).path, headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return bytes(body)


class HttpAnswer:
    """Writes the answer to one request."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        head_only: bool = False,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._head_only = head_only

    async def whole(self, status: int, body: dict[str, Any]) -> None:
        """A JSON answer at once. Raises ConnectionError when the client is gone."""
        data = json.dumps(body).encode()
        length = str(len(data))
        self._head(status, {"content-type": "application/json", "content-length": length})
        if not self._head_only:
            self._writer.write(data)
        await self._writer.drain()

    async def begin(self) -> None:
        """Start a stream of events. Raises ConnectionError when the client is gone."""
        self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        await self._writer.drain()

    async def part(self, data: bytes) -> None:
        """Send ``data``; empty data ends the stream."""
        if self._reader.at_eof():
            raise ConnectionResetError("the client is gone")
        self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self._writer.drain()

    async def client_gone(self) -> None:
        """Say nothing until the client goes away, then raise ConnectionError."""
        await self._reader.read()
        raise ConnectionResetError("the client is gone")

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Scripted')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
