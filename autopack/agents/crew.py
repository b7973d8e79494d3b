"""Who builds which phase of a run: its builder or another, with one model or a ladder of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from autopack.agents.protocol import Builder
from autopack.agents.registry import (
    builder_class,
    configuration_of,
    make_builder,
    options_for,
    scoped_names,
    secrets_of,
    split_name,
)
from autopack.model.errors import BadInput, NotFound, PlanError
from autopack.plan.plan import REVIEWERS, PhaseSpec, Plan

_RESEARCHER = "api"
"""The builder whose model answers in research phases."""

Models = tuple[str | None, ...]
"""The models that build, the first one first; None is the builder's own choice."""


@dataclass(frozen=True)
class Place:
    """Who builds a phase at a level of its ladder."""

    builder: Builder
    model: str | None
    level: int


@dataclass(frozen=True)
class Crew:
    """The builders of a run.

    ``name`` is the run's own, block included, ``options`` are its and, as ``NAME.OPTION``, those
    of builders that phases name; ``models`` is its ladder.
    """

    plan: Plan
    name: str
    options: Mapping[str, str]
    models: Models
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    _made: dict[tuple[str, str | None], Builder] = field(
        default_factory=dict[tuple[str, str | None], Builder], repr=False, compare=False
    )

    def top(self, phase: PhaseSpec) -> int:
        """Return the highest level of a phase, counted from 0."""
        return len(self.ladder(phase)) - 1

    def ladder(self, phase: PhaseSpec) -> Models:
        """Return the models of a phase, one a level."""
        if phase.model is not None:
            return as_models(phase.model)
        return self.models if self.is_own(phase) else (None,)

    def at(self, phase: PhaseSpec, level: int) -> Place:
        """Return who builds a phase at a level; the highest where that is above it."""
        ladder = self.ladder(phase)
        level = min(level, len(ladder) - 1)
        name = self.name if self.is_own(phase) else phase.builder or ""
        builder = self.builder(name, ladder[level])
        return Place(builder, ladder[level], level)

    def builder_of(self, phase_id: str, level: int) -> Builder:
        """Return who builds a phase of the plan at a level of its ladder."""
        phase = next(one for one in self.plan.phases if one.id == phase_id)
        return self.at(phase, level).builder

    def builder(self, name: str, model: str | None) -> Builder:
        """Return the builder called ``name`` with a model. Raises BadInput."""
        made = self._made.get((name, model))
        if made is None:
            secrets = self.secrets if name == self.name else None
            made = make_builder(name, self.options_of(name), model=model, secrets=secrets)
            self._made[name, model] = made
        return made

    def options_of(self, name: str) -> dict[str, str]:
        """Return the options of the builder called ``name``."""
        is_own = split_name(name)[0] == split_name(self.name)[0]
        return options_for(name, self.options, is_own=is_own)

    def reviewing(self) -> Place | None:
        """Return the builder that reviews, or lends its endpoint to the reviewer `api`; None where
        none does. Raises BadInput.
        """
        wanted = self.plan.policy.review
        if wanted in ("off", "script"):
            return None
        is_own = wanted == split_name(self.name)[0]
        model = self.plan.models.reviewer or (self.models[0] if is_own else None)
        return Place(self.builder(self.name if is_own else wanted, model), model, 0)

    def check(self) -> None:
        """Raise BadInput or PlanError for the first builder that cannot build what it is to."""
        self.check_options()
        self._check_reviewer()
        for place, plan, phases in self.everyone():
            try:
                place.builder.check(plan)
            except BadInput as error:
                raise self._of_phase(error, phases) from error

    def _check_reviewer(self) -> None:
        try:
            if (place := self.reviewing()) is not None:
                place.builder.check(self._as_seen(self.plan.phases, place.model))
        except BadInput as error:
            name, hint = self.plan.policy.review, error.hint
            if hint is not None and name != split_name(self.name)[0]:
                hint = hint.replace("--set ", f"--set {name}.")
            if error.field == "model":
                hint = "name one as models.reviewer in the plan"
            message = f"policy.review: {error.message}"
            raise PlanError(message, field="policy.review", hint=hint) from error

    def check_options(self) -> None:
        """Raise BadInput or PlanError for a builder or an option that there is not."""
        check_builders(self.plan)
        others = {phase.builder for phase in self.plan.phases if not self.is_own(phase)}
        others.add(self.plan.policy.review)
        for name in scoped_names(self.options):
            if name not in others:
                raise BadInput(
                    f"no phase names the builder {name!r}, which has options",
                    field="set",
                    hint="an option of the run's own builder has no name before it",
                )
        for phase in self._built:
            try:
                self.at(phase, 0)
            except BadInput as error:
                raise self._of_phase(error, [phase]) from error

    def everyone(self) -> Iterator[tuple[Place, Plan, Sequence[PhaseSpec]]]:
        """Yield each builder with each of its models, with the plan as far as it concerns it."""
        found: dict[tuple[str, str | None], tuple[Place, list[PhaseSpec]]] = {}
        for phase in self._built:
            for level in range(self.top(phase) + 1):
                place = self.at(phase, level)
                key = (place.builder.name, self.ladder(phase)[level])
                found.setdefault(key, (place, []))[1].append(phase)
        for (_, model), (place, phases) in found.items():
            yield place, self._as_seen(phases, model), phases

    def hidden(self) -> list[str]:
        """Return what builders hand to their builds that must not be kept. Raises BadInput."""
        found = [one for place, _, _ in self.everyone() for one in secrets_of(place.builder)]
        for phase in self.plan.phases:
            name = self.name if self.is_own(phase) else phase.builder or ""
            if phase.research is not None and split_name(name)[0] == _RESEARCHER:
                found += secrets_of(self.at(phase, 0).builder)
        if (reviewing := self.reviewing()) is not None:
            found += secrets_of(reviewing.builder)
        return found

    def configuration(self) -> dict[str, str]:
        """Return what shapes the builds besides options: of other builders, with their names."""
        found: dict[str, str] = {}
        for place, _, phases in self.everyone():
            before = "" if self.is_own(phases[0]) else f"{place.builder.name}."
            said = configuration_of(place.builder)
            found |= {f"{before}{name}": value for name, value in said.items()}
        if (reviewing := self.reviewing()) is not None:
            said = configuration_of(reviewing.builder)
            found |= {f"reviewer.{name}": value for name, value in said.items()}
        return found

    @property
    def _built(self) -> list[PhaseSpec]:
        """The phases that build something; research does not."""
        return [phase for phase in self.plan.phases if phase.research is None]

    def is_own(self, phase: PhaseSpec) -> bool:
        """Return whether the run's own builder builds a phase."""
        return phase.builder is None or phase.builder == split_name(self.name)[0]

    def _as_seen(self, phases: Sequence[PhaseSpec], model: str | None) -> Plan:
        """Return the plan with the phases and the model of one builder alone."""
        models = self.plan.models.model_copy(update={"builder": model})
        return self.plan.model_copy(update={"phases": tuple(phases), "models": models})

    def _of_phase(self, error: BadInput, phases: Sequence[PhaseSpec]) -> BadInput:
        """Return an error that names the phase's field where the plan made the choice."""
        phase = phases[0]
        if self.is_own(phase) and phase.model is None:
            return error
        name = "model" if error.field == "model" or self.is_own(phase) else "builder"
        place = f"phases[{self.plan.phases.index(phase)}].{name}"
        hint = error.hint
        if hint is not None and not self.is_own(phase):
            hint = hint.replace("--set ", f"--set {phase.builder}.")
        return PlanError(f"{place}: {error.message}", field=place, hint=hint)


def as_models(choice: str | Sequence[str] | None) -> Models:
    """Return the ladder that a plan's choice of models means."""
    return (choice,) if choice is None or isinstance(choice, str) else tuple(choice)


def stored_models(plan: Plan, model: str | None) -> dict[str, Any]:
    """Return a run's models as they are stored; ``model`` is one that replaces the plan's ladder.

    What phases choose is in ``phases``.
    """
    named = plan.models.model_dump(mode="json")
    if model is not None:
        named["builder"] = model
    if not isinstance(named["builder"], list):
        del named["escalate_after"]
    if named["reviewer"] is None:
        del named["reviewer"]
    chosen = {phase.id: _choice(phase) for phase in plan.phases if phase.builder or phase.model}
    return named | ({"phases": chosen} if chosen else {})


def run_ladder(models: Mapping[str, Any], model: str | None) -> Models:
    """Return the ladder of a stored run: ``models``, and the ``model`` that it begins with."""
    builder: object = models.get("builder")
    return tuple(cast("list[str]", builder)) if isinstance(builder, list) else (model,)


def check_builders(plan: Plan) -> None:
    """Raise PlanError naming the field of the first builder that there is not: the reviewer's, or
    a phase's.
    """
    if plan.policy.review not in REVIEWERS:
        try:
            builder_class(plan.policy.review)
        except (BadInput, NotFound) as error:
            message = f"policy.review: {error.message}"
            hint = f"{error.hint}; or use off, script or api"
            raise PlanError(message, field="policy.review", hint=hint) from error
    for index, phase in enumerate(plan.phases):
        if phase.builder is None:
            continue
        place = f"phases[{index}].builder"
        if split_name(phase.builder)[1] is not None:
            raise PlanError(
                f"{place}: {phase.builder!r} names a block, which only a run's own builder has",
                field=place,
                hint="name the builder alone, and give it options with --set BUILDER.KEY=VALUE",
            )
        try:
            builder_class(phase.builder)
        except (BadInput, NotFound) as error:
            raise PlanError(f"{place}: {error.message}", field=place, hint=error.hint) from error


def _choice(phase: PhaseSpec) -> dict[str, Any]:
    said = phase.model_dump(mode="json", include={"builder", "model"})
    return {name: value for name, value in said.items() if value is not None}
