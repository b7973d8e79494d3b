"""Experiments at a glance: each with its pairs and its last verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.store.database.engine import reading
from autopack.store.reading import Source
from autopack.store.tables import ab_tests
from autopack.store.tables.experiments import ab_pairs, ab_test_results


@dataclass(frozen=True, kw_only=True)
class ExperimentLine:
    """A registered experiment, or an analysis of runs that no experiment declared.

    ``pairs`` are planned, ``judged`` have ended, ``void`` count for nothing. ``decision`` and
    ``sentence`` are of the last analysis, None before the first.
    """

    test_id: str
    created_at: datetime
    finished_at: datetime | None
    stop_reason: str | None
    is_registered: bool
    pairs: int
    judged: int
    void: int
    decision: str | None
    sentence: str | None


def list_experiments(source: Source, *, limit: int = 100) -> list[ExperimentLine]:
    """Return the newest experiments and analyses."""
    pairs = ab_pairs.c
    counts = sa.select(
        pairs.test_id,
        sa.func.count(),
        sa.func.count(pairs.finished_at),
        sa.func.coalesce(sa.func.sum(sa.case((pairs.is_valid.is_(False), 1), else_=0)), 0),
    ).group_by(pairs.test_id)
    tests = sa.select(ab_tests).order_by(ab_tests.c.created_at.desc()).limit(limit)
    results = ab_test_results.c
    verdicts = (
        sa.select(
            results.test_id,
            results.decision,
            results.sentence,
            results.created_at,
            results.n_pairs,
            results.n_void,
        )
        .order_by(results.created_at.desc())
        .limit(10 * limit)
    )
    with reading(source) as conn:
        counted = {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in conn.execute(counts)}
        last: dict[str, Any] = {}
        for row in conn.execute(verdicts):
            last.setdefault(row.test_id, row)
        found: list[ExperimentLine] = []
        for test in conn.execute(tests):
            verdict = last.pop(test.test_id, None)
            planned, judged, void = counted.get(test.test_id, (0, 0, 0))
            found.append(
                ExperimentLine(
                    test_id=test.test_id,
                    created_at=test.created_at,
                    finished_at=test.finished_at,
                    stop_reason=test.stop_reason,
                    is_registered=True,
                    pairs=planned,
                    judged=judged,
                    void=void,
                    decision=None if verdict is None else verdict.decision,
                    sentence=None if verdict is None else verdict.sentence,
                )
            )
        found += [
            ExperimentLine(
                test_id=row.test_id,
                created_at=row.created_at,
                finished_at=row.created_at,
                stop_reason=None,
                is_registered=False,
                pairs=row.n_pairs + row.n_void,
                judged=row.n_pairs + row.n_void,
                void=row.n_void,
                decision=row.decision,
                sentence=row.sentence,
            )
            for row in last.values()
        ]
    return sorted(found, key=lambda one: one.created_at, reverse=True)[:limit]
