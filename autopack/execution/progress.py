"""Which phase comes next, and how a run ends: pure answers over stored rows."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.plan.model import PhaseSpec, Plan
from autopack.store.runs import PhaseRow
from autopack.store.states import PhaseState


def next_phase(plan: Plan, rows: Sequence[PhaseRow]) -> PhaseSpec | None:
    """The first phase in execution order that is not at its end; None when all are."""
    states = {row.phase_id: row.state for row in rows}
    return next((phase for phase in plan.ordered() if not states[phase.id].is_final), None)


def all_complete(rows: Sequence[PhaseRow]) -> bool:
    """Whether the run has done everything that its plan asks for."""
    return all(row.state is PhaseState.COMPLETE for row in rows)
