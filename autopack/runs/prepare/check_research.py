"""What can be wrong with research before anything is stored: its sources, its model."""

from __future__ import annotations

from autopack.agents.crew import Crew
from autopack.model.errors import BadInput, PlanError
from autopack.research.sources.source_registry import check_sources
from autopack.runs.prepare.behind_research import researcher_of


def check_research(crew: Crew) -> None:
    """Raise PlanError that names the field of the first research phase that could not be done."""
    for index, phase in enumerate(crew.plan.phases):
        if phase.research is None:
            continue
        place = f"phases[{index}]"
        try:
            check_sources(phase.research.sources)
        except BadInput as error:
            field = f"{place}.research.{error.field or 'sources'}"
            raise PlanError(f"{field}: {error.message}", field=field, hint=error.hint) from error
        researcher_of(crew, phase)
