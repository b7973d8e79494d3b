"""ETags on what is read: the hash of the answer, and 304 to a client that has it already."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

VERSION_HEADER = "Autopack-Api-Version"
VERSION = "1"


class Tagged:
    """Answers as the app does; JSON that is read in one piece gets an ETag."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        begun: Message | None = None

        async def tag(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                _say_what_holds_for_all(message, read=scope["method"] == "GET")
                if scope["method"] == "GET" and _is_json(message):
                    begun = message  # its headers wait for the body
                    return
            elif begun is not None:
                start, begun = begun, None
                if not message.get("more_body"):
                    message = _with_tag(start, message, known)
                await send(start)
            await send(message)

        await self._app(scope, receive, tag)


def _say_what_holds_for_all(start: Message, *, read: bool) -> None:
    headers = MutableHeaders(scope=start)
    headers[VERSION_HEADER] = VERSION
    headers.setdefault("Cache-Control", "private, no-cache" if read else "no-store")
    headers["X-Content-Type-Options"] = "nosniff"


def _is_json(start: Message) -> bool:
    kind = Headers(raw=start["headers"]).get("content-type", "")
    return start["status"] == 200 and kind.startswith("application/json")


def _with_tag(start: Message, body: Message, known: str) -> Message:
    """Tag the start of an answer; return its body, or none of it where the client has it."""
    tag = f'"{hashlib.sha256(body.get("body", b"")).hexdigest()[:32]}"'
    headers = MutableHeaders(scope=start)
    headers["ETag"] = tag
    if tag not in [one.strip().removeprefix("W/") for one in known.split(",")]:
        return body
    start["status"] = 304
    del headers["content-length"]
    return {"type": "http.response.body", "body": b"", "more_body": False}
