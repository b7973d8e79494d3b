"""All runs, a page at a time."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from autopack.model.states import RunState
from autopack.store.database.engine import now
from autopack.store.reading import list_runs
from autopack.views.operating.operations import run_cards
from deployments.api.page.rendering import page
from deployments.api.page.visitors import VisitorOf
from deployments.api.service import ServiceOf

router = APIRouter()

_AT_ONCE = 50


@router.get("/runs")
def listing(
    visitor: VisitorOf, service: ServiceOf, state: str | None = None, after: str | None = None
) -> Response:
    """List runs, newest first."""
    with service.db.read() as conn:
        found = list_runs(conn, state=state or None, limit=_AT_ONCE, after=after)
        cards = run_cards(conn, found.rows, now(conn))
    return page(
        "runs.html",
        here="runs",
        visitor=visitor,
        cards=cards,
        state=state or "",
        states=[*RunState],
        next_cursor=found.next_cursor,
    )
