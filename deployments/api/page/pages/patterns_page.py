"""Known failures: their state, how precise they are, how often they hit."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from autopack.settings import process_environment
from autopack.views.operating.pattern_view import pattern_lines
from deployments.api.page.rendering import page
from deployments.api.page.visitors import VisitorOf
from deployments.api.service import ServiceOf

router = APIRouter()


@router.get("/patterns")
def patterns(visitor: VisitorOf, service: ServiceOf) -> Response:
    """List them, best priority first."""
    return page(
        "patterns.html",
        here="patterns",
        visitor=visitor,
        patterns=pattern_lines(service.db, process_environment()),
    )
