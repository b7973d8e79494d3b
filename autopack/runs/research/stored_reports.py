"""Reports of research as they are shown: the stored one, or why there is none yet."""

from __future__ import annotations

from typing import Any

from autopack.model.errors import NotFound
from autopack.runs.attempt.researched import report_of
from autopack.runs.research.concluding_research import report_id
from autopack.runs.stored_run import plan_of
from autopack.store.database.engine import Database
from autopack.store.runs import get_run


def stored_report(db: Database, run_id: str, phase_id: str | None = None) -> dict[str, Any]:
    """Return the report of a research phase with the run's state; of the only one without a name.

    One that is not written yet has no findings. Raises NotFound.
    """
    run = get_run(db, run_id)
    phases = {phase.id: phase for phase in plan_of(db, run).phases if phase.research is not None}
    if not phases:
        raise NotFound(f"run {run_id} has no research phase", field="run_id")
    if phase_id is None and len(phases) > 1:
        raise NotFound(
            f"run {run_id} has several research phases",
            field="phase",
            hint=f"name one with --phase: {', '.join(phases)}",
        )
    name = phase_id or next(iter(phases))
    if name not in phases or (spec := phases[name].research) is None:
        raise NotFound(
            f"run {run_id} has no research phase {name!r}",
            field="phase",
            hint=f"choose from {', '.join(phases)}",
        )
    state = {"state": run.state.value, "failure_reason": run.failure_reason}
    report = report_of(db, run_id, name)
    if report is not None:
        return {**report, **state}
    return {
        "schema_version": None,
        "report_id": report_id(run_id, name),
        "run_id": run_id,
        "phase_id": name,
        "questions": list(spec.questions),
        "evidence": [],
        "findings": [],
        "missing": [],
        "sources": [],
        "spent": None,
        **state,
    }
