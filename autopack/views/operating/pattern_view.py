"""Known failures as an operator sees them: whether they are on, how often they hit, how well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from autopack.repair.patterns.pattern_registry import enabled_patterns, patterns
from autopack.store.database.engine import reading
from autopack.store.reading import Source
from autopack.store.tables import mitigations


@dataclass(frozen=True, kw_only=True)
class PatternLine:
    """A pattern, and what became of its hits.

    ``precision`` is the share of hits after which the failure was gone, with Wilson's 95%
    interval; None without a hit. ``summary`` is None for one that is not installed here.
    """

    pattern_id: str
    priority: int | None
    summary: str | None
    state: str
    hits: int
    fixed: int
    doctor_calls_skipped: int
    precision: float | None
    interval: tuple[float, float] | None


def pattern_lines(source: Source, environ: Mapping[str, str]) -> list[PatternLine]:
    """Return every known pattern, best priority first, then those that hit and are gone since."""
    table = mitigations.c
    counts = sa.select(
        table.pattern_id,
        sa.func.count(),
        sa.func.sum(sa.case((table.fixed.is_(True), 1), else_=0)),
        sa.func.sum(sa.case((table.doctor_call_skipped.is_(True), 1), else_=0)),
    ).group_by(table.pattern_id)
    with reading(source) as conn:
        hits = {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in conn.execute(counts)}
    on = {one.pattern_id for one in enabled_patterns(environ)}
    found = [
        _line(
            one.pattern_id,
            one.priority,
            one.summary,
            "on" if one.pattern_id in on else "off",
            hits.pop(one.pattern_id, (0, 0, 0)),
        )
        for one in patterns()
    ]
    return found + [_line(name, None, None, "gone", counted) for name, counted in hits.items()]


def _line(
    pattern_id: str,
    priority: int | None,
    summary: str | None,
    state: str,
    counted: tuple[int, int, int],
) -> PatternLine:
    hits, fixed, skipped = counted
    return PatternLine(
        pattern_id=pattern_id,
        priority=priority,
        summary=summary,
        state=state,
        hits=hits,
        fixed=fixed,
        doctor_calls_skipped=skipped,
        precision=fixed / hits if hits else None,
        interval=_wilson(fixed, hits) if hits else None,
    )


def _wilson(successes: int, trials: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
