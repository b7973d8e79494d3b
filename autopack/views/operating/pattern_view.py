"""Known failures as an operator sees them: their state, how precise they are, what they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from autopack.repair.lifecycle.standings import as_json, standings
from autopack.repair.patterns.pattern_registry import enabled_patterns, patterns
from autopack.store.database.engine import Database
from autopack.store.tables import mitigations


@dataclass(frozen=True)
class PatternLine:
    """Where a pattern stands (the JSON of `autopack patterns list`), and what came of its actions.

    ``is_off`` says that this process's environment switches it off. ``acted`` counts mitigations,
    ``fixed`` those after which the failure was gone.
    """

    standing: Mapping[str, Any]
    is_off: bool
    acted: int
    fixed: int
    doctor_calls_skipped: int


def pattern_lines(db: Database, environ: Mapping[str, str]) -> list[PatternLine]:
    """Return the loaded patterns, best priority first, then what else is stored."""
    table = mitigations.c
    counts = sa.select(
        table.pattern_id,
        sa.func.count(),
        sa.func.sum(sa.case((table.fixed.is_(True), 1), else_=0)),
        sa.func.sum(sa.case((table.doctor_call_skipped.is_(True), 1), else_=0)),
    ).group_by(table.pattern_id)
    with db.read() as conn:
        did = {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in conn.execute(counts)}
    on = {one.pattern_id for one in enabled_patterns(environ)}
    return [
        PatternLine(
            as_json(one),
            one.pattern is not None and one.detector.pattern_id not in on,
            *did.get(one.detector.pattern_id, (0, 0, 0)),
        )
        for one in standings(db, patterns())
    ]
