"""Campaigns and fleets: how far they are, what they cost, and their runs."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from autopack.store.database.engine import now
from autopack.views.board import Kind
from autopack.views.operating.operations import run_cards
from autopack.views.operating.run_groups import group_runs, run_groups
from deployments.api.page.rendering import page
from deployments.api.page.visitors import VisitorOf
from deployments.api.service import ServiceOf

router = APIRouter()


@router.get("/campaigns")
def campaigns(visitor: VisitorOf, service: ServiceOf) -> Response:
    """List them, newest first."""
    return page(
        "campaigns.html",
        here="campaigns",
        visitor=visitor,
        groups=run_groups(service.db),
        kinds=[*Kind],
    )


@router.get("/campaigns/{name}")
def campaign(name: str, visitor: VisitorOf, service: ServiceOf) -> Response:
    """Show one with its runs, those that need somebody first."""
    group, rows = group_runs(service.db, name)
    with service.db.read() as conn:
        cards = run_cards(conn, rows, now(conn))
    return page(
        "campaign.html",
        here="campaigns",
        visitor=visitor,
        group=group,
        kinds=[*Kind],
        cards=sorted(cards, key=lambda card: card.need is None),
    )
