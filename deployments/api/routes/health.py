"""Whether this process and its database answer, and figures for Prometheus."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Response

from autopack.access.scopes import Scope
from autopack.model.errors import DatabaseRefused
from autopack.model.states import RunState
from autopack.store.tables import runs
from autopack.store.tables.rollups import usage_by_run
from deployments.api.callers import needs
from deployments.api.service import ServiceOf
from deployments.examining import examine

router = APIRouter(tags=["health"])


@router.get("/livez")
def livez() -> dict[str, str]:
    """Say that this process answers; needs no key."""
    return {"status": "alive"}


@router.get("/readyz")
def readyz(service: ServiceOf) -> dict[str, str]:
    """Say that the database answers and has the schema of this code; needs no key."""
    if service.db.schema_version() != service.db.head_version():
        raise DatabaseRefused("the database has another schema", hint="autopack db upgrade")
    return {"status": "ready"}


@router.get("/health", dependencies=[needs(Scope.READ)])
def health() -> dict[str, Any]:
    """Answer what `autopack health --json` prints."""
    return examine()


@router.get("/metrics", dependencies=[needs(Scope.READ)], response_class=Response)
def metrics(service: ServiceOf) -> Response:
    """Answer figures as Prometheus reads them: runs by state, tokens and builders' calls in all."""
    from prometheus_client import CollectorRegistry, Gauge
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry()
    by_state = Gauge("autopack_runs", "Runs in each state.", ["state"], registry=registry)
    tokens = Gauge("autopack_tokens", "Tokens that all runs used.", ["role"], registry=registry)
    with service.db.read() as conn:
        counts = dict(
            conn.execute(sa.select(runs.c.state, sa.func.count()).group_by(runs.c.state)).all()
        )
        used = conn.execute(
            sa.select(usage_by_run.c.role, sa.func.sum(usage_by_run.c.total_tokens)).group_by(
                usage_by_run.c.role
            )
        ).all()
    for state in RunState:
        by_state.labels(state.value).set(counts.get(state, 0))
    for role, total in used:
        tokens.labels(role).set(int(total))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
