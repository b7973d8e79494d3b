"""Which features acted in a run, and which models its builds called, as far as was recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from autopack.context.intention import for_builder
from autopack.model.features import Feature
from autopack.store import tables
from autopack.store.reading import get_plan_body
from autopack.store.tables.rollups import (
    consolidated_token_views,
    phase6_metrics,
    token_efficiency_metrics,
    usage_archive,
)

_Acted = Callable[[sa.Connection, Sequence[sa.RowMapping]], set[str]]


def features_that_acted(
    conn: sa.Connection, runs: Sequence[sa.RowMapping]
) -> dict[str, dict[str, bool]]:
    """For each of the runs (rows of ``runs``) and each feature that was on: whether it acted."""
    found: dict[str, dict[str, bool]] = {run["run_id"]: {} for run in runs}
    for feature, look in LOOKS.items():
        on = [run for run in runs if feature.value in run["features"]]
        acted = look(conn, on) if on else set[str]()
        for run in on:
            found[run["run_id"]][feature.value] = run["run_id"] in acted
    return found


def models_of_builds(conn: sa.Connection, run_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the models that the builds of each run called, by the names that were recorded."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for table in (tables.llm_usage_events, usage_archive):
        query = (
            sa.select(table.c.run_id, table.c.model)
            .where(table.c.run_id.in_(run_ids), table.c.role == "builder")
            .distinct()
        )
        for run_id, model in conn.execute(query):
            if model:
                found[run_id].add(model)
    return {run_id: frozenset(found[run_id]) for run_id in run_ids}


def _in(table: sa.Table) -> _Acted:
    """The runs that have a row in ``table``."""

    def look(conn: sa.Connection, runs: Sequence[sa.RowMapping]) -> set[str]:
        ids = [run["run_id"] for run in runs]
        query = sa.select(table.c.run_id).where(table.c.run_id.in_(ids)).distinct()
        return set(conn.scalars(query))

    return look


def _told(conn: sa.Connection, runs: Sequence[sa.RowMapping]) -> set[str]:
    """The runs whose builders, or whose doctor, were told more of the intention than the goal."""
    bodies: dict[str, dict[str, Any]] = {}
    found: set[str] = set()
    for run in runs:
        key = run["plan_hash"]
        if key not in bodies:
            bodies[key] = get_plan_body(conn, key)
        body = bodies[key]
        criteria, not_part = body.get("success_criteria") or (), body.get("non_goals") or ()
        if for_builder(body["goal"], criteria, not_part) is not None:
            found.add(run["run_id"])
    return found | _in(tables.consultations)(conn, runs)


def _drew(conn: sa.Connection, runs: Sequence[sa.RowMapping]) -> set[str]:
    """The runs in which it was drawn whether a mitigation is carried out."""
    hits, ids = tables.pattern_hits, [run["run_id"] for run in runs]
    drawn = sa.select(hits.c.run_id).where(hits.c.run_id.in_(ids), hits.c.arm.is_not(None))
    return set(conn.scalars(drawn.distinct()))


def _shown(conn: sa.Connection, runs: Sequence[sa.RowMapping]) -> set[str]:
    """The runs whose builders were shown files."""
    ids, table = [run["run_id"] for run in runs], token_efficiency_metrics
    query = sa.select(table.c.run_id).where(table.c.run_id.in_(ids), table.c.files_kept > 0)
    return set(conn.scalars(query.distinct()))


# How it is looked up that a feature acted; one that is not here cannot be.
LOOKS: dict[Feature, _Acted] = {
    Feature.FAILURE_HARDENING: _in(tables.mitigations),
    Feature.INTENTION_CONTEXT: _told,
    Feature.PLAN_NORMALIZATION: _in(tables.normalisations),
    Feature.PHASE6_METRICS: _in(phase6_metrics),
    Feature.CONTEXT_PACK: _shown,
    Feature.CONSOLIDATED_METRICS: _in(consolidated_token_views),
    Feature.HOLDOUT: _drew,
}
