"""What a research phase needs: the model behind it, if there is one, and an environment."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.agents.crew import Crew
from autopack.agents.registry import split_name
from autopack.model.errors import BadInput
from autopack.model.locations import expanded
from autopack.plan.plan import PhaseSpec
from autopack.research.researcher import Researcher
from autopack.research.sources.source_registry import DEFAULT


def researcher_of(crew: Crew, phase: PhaseSpec) -> Researcher | None:
    """Return the model behind a phase's research: the `api` builder's, or a recording's.

    None where the phase has another builder, or a run that also builds has no recording of it:
    then nothing is asked. Raises BadInput when the model, its key, the extra or the recording is
    missing, or an option is unknown.
    """
    name = crew.name if crew.is_own(phase) else phase.builder or ""
    model, options = crew.ladder(phase)[0], crew.options_of(name)
    match split_name(name)[0]:
        case "api":
            from autopack.agents.api.agent import ApiBuilder
            from autopack.research.api_researcher import ApiResearcher

            builder = crew.builder(name, model)
            return ApiResearcher(builder, model) if isinstance(builder, ApiBuilder) else None
        case "script":
            return _recorded(crew, name, phase) if options else None
        case _:
            if options:
                crew.builder(name, model)
            return None


def _recorded(crew: Crew, name: str, phase: PhaseSpec) -> Researcher | None:
    from autopack.testing.scripted_researcher import ScriptResearcher, recording_of

    crew.builder(name, None)  # looks at the options
    place = expanded(crew.options_of(name)["recording"], "recording").absolute()
    if recording_of(place, phase.id).is_file():
        return ScriptResearcher(place, phase.id)
    if phase.builder is None and any(one.research is None for one in crew.plan.phases):
        return None
    raise BadInput(
        f"the recording has no file for research {phase.id}: {recording_of(place, phase.id)}",
        field="recording",
        hint="write one, or leave --set recording out: then no model is asked",
    )


def sets_up(sources: Sequence[str]) -> bool:
    """Return whether the project is installed to answer from these sources: one asks for that."""
    return any(one.partition(":")[0] == "installed" for one in sources or DEFAULT)
