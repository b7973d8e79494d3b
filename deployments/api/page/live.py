"""Pages that change while they are looked at: parts and lines, as server-sent events.

A part that says what it said before is not sent. A reader who reconnects is sent every part once,
so nothing is missed; lines of an agent go on from where this stream began.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import anyio
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from autopack.access.scopes import Scope
from autopack.access.sessions import use_session
from autopack.model.errors import AutopackError
from autopack.store.runs import get_run
from autopack.views.agent_lines import AgentLines
from deployments.api.page.pages import overview_page, run_page
from deployments.api.page.pages.attempt_page import MOST_LINES, TAIL_BYTES
from deployments.api.page.rendering import Part
from deployments.api.page.visitors import Visitor, VisitorOf
from deployments.api.service import Service, ServiceOf

router = APIRouter()

_LOOK_SECONDS = 1.0
_QUIET_SECONDS = 15.0
# Browsers come back by themselves; a stream that nobody reads any more must not stay.
_LONGEST_SECONDS = 600.0

Event = tuple[str, Any]


@router.get("/live")
def overview(request: Request, visitor: VisitorOf, service: ServiceOf) -> StreamingResponse:
    """Send the parts of the overview that change."""
    look = _Changes(
        lambda: overview_page.live_values(service),
        lambda found: overview_page.live_parts(found, visitor),
    )
    return _stream(request, visitor, service, look.events)


@router.get("/runs/{run_id}/live")
def run(run_id: str, request: Request, visitor: VisitorOf, service: ServiceOf) -> StreamingResponse:
    """Send the parts of a run's page that change, and what its agent says."""
    row = get_run(service.db, run_id)
    look = _Changes(
        lambda: run_page.live_values(run_id, service),
        lambda found: run_page.live_parts(found, visitor),
    )
    lines = AgentLines(service.db, service.settings, row, tail_bytes=TAIL_BYTES)
    # The first look takes the place of what the page has: nothing is missed and nothing is twice.
    name = "tail"

    def events() -> list[Event]:
        nonlocal name
        found = look.events()
        if visitor.may("content"):
            told = [
                {"from": f"{one.phase_id}/{one.attempt}", "text": one.text, "tool": one.is_tool}
                for one in list(lines.new())[-MOST_LINES:]
            ]
            if told or name == "tail":
                found.append((name, told))
            name = "lines"
        if look.latest["run"].state.is_final:
            found.append(("ended", None))
        return found

    return _stream(request, visitor, service, events)


class _Changes:
    """Remembers what was sent; what was looked at before is not rendered again."""

    def __init__(
        self,
        look: Callable[[], dict[str, Any]],
        render: Callable[[dict[str, Any]], dict[str, Part]],
    ) -> None:
        self._look, self._render = look, render
        self._sent: dict[str, str] = {}
        self.latest: dict[str, Any] = {}

    def events(self) -> list[Event]:
        found: list[Event] = []
        before, self.latest = self.latest, self._look()
        if self.latest is before:
            return found
        for one in self._render(self.latest).values():
            if self._sent.get(one.name) != one.version:
                self._sent[one.name] = one.version
                told = {"name": one.name, "version": one.version, "html": str(one.html)}
                found.append(("part", told))
        return found


def _stream(
    request: Request, visitor: Visitor, service: Service, events: Callable[[], list[Event]]
) -> StreamingResponse:
    def look() -> list[Event]:
        who = use_session(service.db, service.secret, visitor.session)
        if who is None or Scope.READ not in who.scopes or who.scopes != visitor.who.scopes:
            return [("gone", None)]  # what was shown to them before is not theirs to see any more
        return events()

    async def send() -> AsyncIterator[str]:
        begun = said = monotonic()
        yield "retry: 2000\n\n"
        while monotonic() - begun < _LONGEST_SECONDS and not await request.is_disconnected():
            try:
                found = await run_in_threadpool(look)
            except AutopackError:
                found = []  # the database may be back by the next look
            for name, told in found:
                yield f"event: {name}\ndata: {json.dumps(told)}\n\n"
                said = monotonic()
                if name in ("gone", "ended"):
                    return
            if monotonic() - said > _QUIET_SECONDS:
                yield ": nothing new\n\n"
                said = monotonic()
            await anyio.sleep(_LOOK_SECONDS)

    return StreamingResponse(
        send(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )
