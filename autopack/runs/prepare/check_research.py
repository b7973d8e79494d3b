"""What can be wrong with research before anything is stored: its sources, its model."""

from __future__ import annotations

from autopack.agents.crew import Crew
from autopack.model.errors import BadInput, PlanError
from autopack.plan.plan import Plan
from autopack.research.sources.source_registry import check_sources
from autopack.runs.prepare.behind_research import researcher_of


def check_research(crew: Crew) -> None:
    """Raise PlanError that names the field of the first research phase that could not be done."""
    check_named_sources(crew.plan)
    for phase in crew.plan.phases:
        if phase.research is not None:
            researcher_of(crew, phase)


def check_named_sources(plan: Plan) -> None:
    """Raise PlanError that names the field of the first source of a plan that does not exist."""
    for index, phase in enumerate(plan.phases):
        try:
            check_sources(() if phase.research is None else phase.research.sources)
        except BadInput as error:
            field = f"phases[{index}].research.{error.field or 'sources'}"
            raise PlanError(f"{field}: {error.message}", field=field, hint=error.hint) from error
