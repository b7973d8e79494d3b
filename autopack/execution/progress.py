"""Which phase comes next: a pure answer over stored rows."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.plan.model import PhaseSpec, Plan
from autopack.store.runs import PhaseRow


def next_phase(plan: Plan, rows: Sequence[PhaseRow]) -> PhaseSpec | None:
    """The first phase in execution order that is not at its end; None when all are."""
    states = {row.phase_id: row.state for row in rows}
    return next((phase for phase in plan.ordered() if not states[phase.id].is_final), None)
