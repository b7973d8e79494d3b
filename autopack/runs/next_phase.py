"""Which phase comes next: a pure answer over stored rows."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.model.states import PhaseState, RunState
from autopack.plan.plan import PhaseSpec, Plan
from autopack.store.runs import PhaseRow


def next_phase(plan: Plan, rows: Sequence[PhaseRow]) -> PhaseSpec | None:
    """Return the first phase in execution order that is not at its end; None when all are."""
    left = {row.phase_id for row in rows if not row.state.is_final}
    return next((phase for phase in plan.ordered() if phase.id in left), None)


def ending(rows: Sequence[PhaseRow]) -> tuple[RunState, str | None]:
    """Return how a run ends whose phases are all at their end; a skipped one is for a person to
    judge.
    """
    left_out = [row.phase_id for row in rows if row.state is not PhaseState.COMPLETE]
    if not left_out:
        return RunState.DONE_SUCCESS, None
    return RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, f"skipped: {', '.join(left_out)}"
