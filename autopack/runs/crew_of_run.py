"""The builders of a stored run, as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from autopack.agents.crew import Crew, run_ladder
from autopack.runs.stored_run import plan_of
from autopack.store.database.engine import Database
from autopack.store.rows import RunRow


def crew_of(db: Database, run: RunRow, secrets: Mapping[str, str] | None = None) -> Crew:
    """Return who builds the phases of ``run``; ``secrets`` are options of its own builder."""
    return Crew(
        plan_of(db, run),
        run.builder,
        run.builder_options,
        run_ladder(run.models, run.model),
        secrets or {},
    )
