"""What happens to a run: a page at a time, or as a stream of Server-Sent Events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, StreamingResponse

from autopack.access.scopes import Scope
from autopack.model.errors import AutopackError, BadInput, DatabaseRefused
from autopack.model.pages import DEFAULT_LIMIT, MAX_LIMIT
from autopack.store.database.engine import Database
from autopack.store.reading import get_run
from autopack.store.run_events import Events, RunEvent, newest_event, read_events
from autopack.views.json_values import timestamp
from deployments.api.callers import needs
from deployments.api.service import ServiceOf

router = APIRouter(prefix="/runs", tags=["runs"], dependencies=[needs(Scope.READ)])

LOOK_SECONDS = 0.5
"""How often a stream looks for what is new."""
SILENCE_SECONDS = 15.0
"""After how long without events a stream says that it is there, or a proxy would end it."""

_EXAMPLE = {
    "number": 3,
    "at": "2026-01-01T12:00:00Z",
    "kind": "phase",
    "phase_id": "fix-ordinals",
    "attempt": None,
    "state": "EXECUTING",
}


@router.get(
    "/{run_id}/events",
    responses={
        200: {
            "content": {
                "application/json": {
                    "example": {"run_id": "run-1", "events": [_EXAMPLE], "next": "3", "more": False}
                },
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": f"id: 3\nevent: phase\ndata: {json.dumps(_EXAMPLE)}\n\n",
                },
            }
        },
        204: {"description": "The run has ended, and the stream has nothing more to say."},
    },
    response_model=None,
)
def events(
    run_id: str,
    request: Request,
    service: ServiceOf,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last event that a stream told.")
    ] = None,
) -> Response:
    """Answer what happened to a run, oldest first, none left out and none twice.

    With `Accept: text/event-stream` it is a stream that follows the run and ends with
    it; the `id` of an event is the cursor after it.
    """
    streams = "text/event-stream" in accept
    after_field = "after" if last_event_id is None else "Last-Event-ID"
    try:
        page = read_events(service.db, run_id, after=last_event_id or after, limit=limit)
    except BadInput as error:
        if error.field == "after":
            error.field = after_field
        raise
    if not streams:
        return JSONResponse(
            {
                "run_id": run_id,
                "events": [event_view(one) for one in page.events],
                "next": page.next,
                "more": not page.is_last,
            }
        )
    if not page.events and last_event_id and get_run(service.db, run_id).state.is_final:
        return Response(status_code=204)  # which tells an EventSource not to come again
    stream = _stream(service.db, run_id, page, request.state.check_caller)
    return StreamingResponse(stream, media_type="text/event-stream")


def event_view(one: RunEvent) -> dict[str, Any]:
    """Return one event; what agents wrote is in none."""
    return {
        "number": one.number,
        "at": timestamp(one.at),
        "kind": one.kind,
        "phase_id": one.phase_id,
        "attempt": one.attempt,
        "state": one.state,
    }


async def _stream(
    db: Database, run_id: str, page: Events, check_caller: Callable[[], object]
) -> AsyncIterator[str]:
    """Tell ``page`` and everything after it, until the run has ended or the caller may no more."""
    loop = asyncio.get_running_loop()
    told_at = loop.time()
    yield ": the events of a run\n\n"
    while True:
        if page.events:
            try:
                await run_in_threadpool(check_caller)
            except DatabaseRefused:
                return  # a client that reconnects gets what is missing
            except AutopackError:
                yield "event: closed\ndata: {}\n\n"
                return
            for one in page.events:
                yield _message(one)
            told_at = loop.time()
        last = int(page.next)
        if page.is_last and await run_in_threadpool(_is_over, db, run_id, last):
            return
        try:
            while page.is_last and await run_in_threadpool(newest_event, db, run_id) == last:
                await asyncio.sleep(LOOK_SECONDS)
                if loop.time() - told_at >= SILENCE_SECONDS:
                    await run_in_threadpool(check_caller)
                    told_at = loop.time()
                    yield ": nothing new\n\n"
            page = await run_in_threadpool(read_events, db, run_id, after=str(last))
        except AutopackError:
            return


def _is_over(db: Database, run_id: str, last: int) -> bool:
    """Return whether the run has ended, with the event ``last``."""
    with db.read() as conn:
        return get_run(conn, run_id).state.is_final and newest_event(conn, run_id) == last


def _message(one: RunEvent) -> str:
    data = json.dumps(event_view(one))
    return f"id: {one.cursor}\nevent: {one.kind}\ndata: {data}\n\n"
