"""The overview: what needs somebody first, then what runs, what ended, and what it all costs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from autopack.ledger.consolidated import By, Usage, usage
from autopack.ledger.period import parse_period
from autopack.model.circuit import CircuitState
from autopack.store.circuits import list_circuits
from autopack.store.pauses import list_pauses
from autopack.views.operating.operations import operations
from deployments.api.page.notices import notice
from deployments.api.page.pages.health_page import HEALTH
from deployments.api.page.rendering import Part, at, page, parts
from deployments.api.page.spend_bars import bars
from deployments.api.page.visitors import Visitor, VisitorOf
from deployments.api.service import Service, ServiceOf

router = APIRouter()

PARTS = ("needs", "works", "ended", "pauses", "circuits")
_DAYS = 14
_LIFETIME = 0.9


@router.get("/")
def overview(
    visitor: VisitorOf, service: ServiceOf, done: str | None = None, simulated: bool = False
) -> Response:
    """Show everything at a glance."""
    found = values(visitor, service)
    return page(
        "overview.html",
        here="overview",
        live=at("live"),
        notice=notice(done),
        parts=parts("overview", PARTS, **found),
        simulated=simulated,
        health=HEALTH.latest(),
        **found,
        **_spend(service, include_simulated=simulated),
    )


def live_parts(found: dict[str, Any], visitor: Visitor) -> dict[str, Part]:
    """Return what changes by itself, made from what ``live_values`` found."""
    return parts("overview", PARTS, visitor=visitor, **found)


def live_values(service: Service) -> dict[str, Any]:
    """Return what the parts show: one look a second for all who have the overview open."""
    return service.views.share(
        "overview", lambda: _values(service), number=lambda: 0, lifetime=_LIFETIME
    )


def values(visitor: Visitor, service: Service) -> dict[str, Any]:
    """Return what the parts that change by themselves show now."""
    return {"visitor": visitor, **_values(service)}


def _values(service: Service) -> dict[str, Any]:
    circuits = list_circuits(service.db)
    return {
        "now": operations(service.db),
        "circuits": [one for one in circuits if one.state is not CircuitState.CLOSED],
        "pauses": list_pauses(service.db),
        "closed_circuits": sum(one.state is CircuitState.CLOSED for one in circuits),
    }


def _spend(service: Service, *, include_simulated: bool) -> dict[str, Any]:
    period = parse_period(f"{_DAYS}d", None, datetime.now(UTC))

    def of(by: By) -> Usage:
        return usage(
            service.db,
            by=by,
            since=period.first_day,
            until=period.last_day,
            include_simulated=include_simulated,
        )

    by_day = of("day")
    return {
        "spent": by_day,
        "days": _DAYS,
        "by_day": bars(by_day.rows),
        "by_model": bars(of("model").rows, largest_first=True),
        "by_role": bars(of("role").rows, largest_first=True),
    }
