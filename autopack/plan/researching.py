"""What a plan says of research: the phases that gather evidence, and those that are told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, Protocol, cast

from pydantic import AfterValidator, BaseModel, ConfigDict

from autopack.plan.dependencies import Misfit, Placed, in_order, misfits
from autopack.plan.values import Count, NonEmpty, Tokens, shown

CONTEXT = "research:"
"""What a phase's ``context`` names begins so: the id of a research phase follows."""

_BUILDS = ("deliverables", "scope", "checks")


MOST_QUESTIONS = 20
"""So many questions has one report at most."""


def _some(questions: tuple[str, ...]) -> tuple[str, ...]:
    # Not pydantic's lengths: those complain too when a question has a fault of its own.
    if not questions:
        raise ValueError("must not be empty")
    if len(questions) > MOST_QUESTIONS:
        raise ValueError(f"must have at most {MOST_QUESTIONS} entries; ask the rest in another")
    return questions


class ResearchSpec(BaseModel):
    """What a research phase is to find out, and how much it may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: Annotated[tuple[NonEmpty, ...], AfterValidator(_some)]
    """What is asked, one question an entry."""
    sources: tuple[NonEmpty, ...] = ()
    """Where answers are looked for; the sources that need no network when empty."""
    max_calls: Count = 20
    """The most calls of a model, and the most searches."""
    tokens: Tokens = 60_000
    """The most tokens of those calls together."""
    ask: bool = True
    """Whether a person is asked what no source can answer; else it is left open."""


def _reference(value: str) -> str:
    if not value.startswith(CONTEXT) or not value.removeprefix(CONTEXT).strip():
        raise ValueError(f"{shown(value)} is not {CONTEXT}ID, with the id of a research phase")
    return CONTEXT + value.removeprefix(CONTEXT).strip()


ContextRef = Annotated[str, AfterValidator(_reference)]
"""``research:ID``: the findings of that phase go into the prompt."""


class Researched(Placed, Protocol):
    """What a phase says of research and of its place."""

    @property
    def research(self) -> ResearchSpec | None: ...
    @property
    def context(self) -> Sequence[str]: ...


def written_out(phase: Any) -> Any:
    """Return a phase as it is written, with what follows from its research: it builds nothing, so
    it has no checks, and its questions are its instructions.
    """
    if not isinstance(phase, Mapping):
        return phase
    values = dict(cast("Mapping[str, Any]", phase))
    spec: Any = values.get("research")
    if spec is None:
        return values
    is_mapping = isinstance(spec, Mapping)
    given = dict(cast("Any", spec)).get if is_mapping else partial(getattr, spec)
    asked: Any = given("questions", ())
    if "instructions" not in values:
        questions = cast("Sequence[object]", asked if isinstance(asked, list | tuple) else ())
        values["instructions"] = " ".join(str(one) for one in questions).strip() or "research"
    if "validate" not in values and "checks" not in values:
        values["validate"] = []
    return values


def research_misfits(phases: Sequence[Researched]) -> list[Misfit]:
    """Everything that phases say of research and cannot be; ``phases`` is otherwise sound."""
    found = [*_builds(phases)]
    if misfits(phases, most=len(phases)):
        return found
    return [*found, *_bad_context(phases)]


def _builds(phases: Sequence[Researched]) -> Iterator[Misfit]:
    for index, phase in enumerate(phases):
        if phase.research is None:
            continue
        for name in _BUILDS:
            said: Any = getattr(phase, name, None)
            if said and (name != "scope" or said.paths or said.read_only):
                key = "validate" if name == "checks" else name
                yield Misfit(
                    ("phases", index, key), "a research phase builds nothing; leave this out"
                )


def _bad_context(phases: Sequence[Researched]) -> Iterator[Misfit]:
    order = {phase.id: place for place, phase in enumerate(in_order(phases))}
    researching = {phase.id for phase in phases if phase.research is not None}
    for index, phase in enumerate(phases):
        for place, reference in enumerate(phase.context):
            name = reference.removeprefix(CONTEXT)
            wrong = _wrong_with(name, phase, order, researching)
            if wrong is not None:
                yield Misfit(("phases", index, "context", place), wrong)


def _wrong_with(
    name: str, phase: Researched, order: Mapping[str, int], researching: set[str]
) -> str | None:
    if name == phase.id:
        return f"{name!r} is the phase itself"
    if name not in order:
        close = get_close_matches(name, researching, n=1)
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        return f"no phase has the id {shown(name)}{suggestion}"
    if name not in researching:
        return f"{name!r} is not a research phase; it has no key research"
    if order[name] > order[phase.id]:
        return f"{name!r} runs after this phase; name it under depends_on"
    return None
