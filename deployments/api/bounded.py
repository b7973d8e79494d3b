"""The size of requests: one that is larger than anything sent here is refused, not read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.problems import problem

MOST_BYTES = 4 * 1024 * 1024
"""A plan is the largest thing that is sent."""


class Bounded:
    """Refuses bodies that are too large, by what they say of themselves and by what comes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > MOST_BYTES:
            refusal = problem(413, "bad_input", _TOO_LARGE, field="body", hint=_HINT)
            await refusal(scope, receive, send)
            return
        left = MOST_BYTES

        async def count() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, count, send)


_TOO_LARGE = "the body is too large"
_HINT = f"send at most {MOST_BYTES // 1024 // 1024} MB"
