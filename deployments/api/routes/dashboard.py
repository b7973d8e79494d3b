"""Figures of runs and of periods: what was spent, what features did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from autopack.access.scopes import Scope
from autopack.ledger.consolidated import usage
from autopack.ledger.period import Period, parse_period
from autopack.ledger.switches import refuse_if_off
from autopack.metrics.attempt_metrics import (
    is_on,
    phase6_summary,
    tells_efficiency,
    token_efficiency_summary,
)
from autopack.model.errors import BadInput
from autopack.model.features import Feature
from autopack.model.pages import DEFAULT_LIMIT, MAX_LIMIT
from autopack.store.reading import get_run
from autopack.views.dashboards import list_campaigns, list_experiments, pattern_hits
from autopack.views.run_view import tokens_view
from autopack.views.usage_view import usage_view
from deployments.api.callers import needs
from deployments.api.routes.runs import status_of
from deployments.api.service import ServiceOf

router = APIRouter(prefix="/dashboard", tags=["dashboard"], dependencies=[needs(Scope.READ)])

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
After = Annotated[str | None, Query(description="`next_cursor` of the page before.")]

_AGES = {"day": "24h", "week": "7d", "month": "30d"}


@router.get("/runs/{run_id}/status")
def status(run_id: str, service: ServiceOf) -> dict[str, Any]:
    """Answer the same as `GET /runs/{run_id}/status`."""
    return status_of(service, run_id)


@router.get("/runs/{run_id}/consolidated-metrics")
def consolidated_metrics(run_id: str, service: ServiceOf) -> dict[str, Any]:
    """Answer what `autopack tokens --json` prints."""
    refuse_if_off(Feature.CONSOLIDATED_METRICS, service.environ)
    return tokens_view(service.db, run_id)


@router.get("/runs/{run_id}/phase6-stats")
def phase6_stats(run_id: str, service: ServiceOf) -> dict[str, Any]:
    """Answer the phase-6 metrics of a run; null when they were off for it."""
    refuse_if_off(Feature.PHASE6_METRICS, service.environ)
    with service.db.read() as conn:
        get_run(conn, run_id)
        found = phase6_summary(conn, run_id=run_id) if is_on(conn, run_id) else None
    return {"run_id": run_id, "phase6": found}


@router.get("/runs/{run_id}/token-efficiency")
def token_efficiency(run_id: str, service: ServiceOf) -> dict[str, Any]:
    """Answer what context packs kept and saved in a run; null when metrics were off for it."""
    refuse_if_off(Feature.PHASE6_METRICS, service.environ)
    with service.db.read() as conn:
        get_run(conn, run_id)
        told = tells_efficiency(conn, run_id)
        found = token_efficiency_summary(conn, run_id=run_id) if told else None
    return {"run_id": run_id, "token_efficiency": found}


@router.get("/usage")
def usage_of_period(
    service: ServiceOf,
    period: Annotated[
        str, Query(description="day, week, month, or FROM..TO as UTC days.")
    ] = "month",
    by: Literal["model", "role", "category", "day", "run"] = "model",
    include_simulated: bool = False,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> dict[str, Any]:
    """Answer what `autopack usage --json` prints."""
    found = _period(period)
    page = usage(
        service.db,
        by=by,
        since=found.first_day,
        until=found.last_day,
        limit=limit,
        after=after,
        include_simulated=include_simulated,
    )
    return usage_view(page, by=by, period=found, include_simulated=include_simulated)


@router.get("/ab-results")
def ab_results(
    service: ServiceOf, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> dict[str, Any]:
    """Answer the experiments, newest first: how many pairs, and what the last analysis says."""
    return list_experiments(service.db, limit=limit, after=after)


@router.get("/campaigns")
def campaigns(
    service: ServiceOf, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> dict[str, Any]:
    """Answer the campaigns, newest first: their runs by state, what they spent, their caps."""
    return list_campaigns(service.db, limit=limit, after=after)


@router.get("/patterns")
def patterns(service: ServiceOf) -> dict[str, Any]:
    """Answer the known failures, and how often each was met and fixed."""
    return {"patterns": pattern_hits(service.db)}


def _period(text: str) -> Period:
    now = datetime.now(UTC)
    if text in _AGES:
        return parse_period(_AGES[text], None, now)
    since, dots, until = text.partition("..")
    if not dots:
        raise BadInput(
            f"unknown period: {text}", field="period", hint="use day, week, month or FROM..TO"
        )
    return parse_period(since or None, until or None, now)
