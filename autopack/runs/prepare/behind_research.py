"""What a research phase needs: the model behind it, if there is one, and an environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autopack.agents.crew import Crew
from autopack.agents.registry import split_name
from autopack.plan.plan import PhaseSpec
from autopack.research.researcher import Researcher
from autopack.research.sources.source_registry import DEFAULT


def researcher_of(crew: Crew, phase: PhaseSpec) -> Researcher | None:
    """Return the model behind a phase's research: the `api` builder's, or a recording's.

    None where the phase is built by another, or no recording is there: then nothing is asked.
    Raises BadInput when the model, its key or the extra is missing.
    """
    name = crew.name if crew.is_own(phase) else phase.builder or ""
    match split_name(name)[0]:
        case "api":
            from autopack.agents.api.agent import ApiBuilder
            from autopack.research.api_researcher import ApiResearcher

            model = crew.ladder(phase)[0]
            builder = crew.builder(name, model)
            return ApiResearcher(builder, model) if isinstance(builder, ApiBuilder) else None
        case "script":
            from autopack.testing.scripted_researcher import ScriptResearcher, recording_of

            folder = crew.options_of(name).get("recording")
            if not folder:
                return None
            place = Path(folder).expanduser().absolute()
            return (
                ScriptResearcher(place, phase.id)
                if recording_of(place, phase.id).is_file()
                else None
            )
        case _:
            return None


def sets_up(sources: Sequence[str]) -> bool:
    """Return whether the project is installed to answer from these sources: one asks for that."""
    return any(one.partition(":")[0] == "installed" for one in sources or DEFAULT)
