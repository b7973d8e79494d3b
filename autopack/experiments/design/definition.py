"""The experiment file: what is compared, on which plans, how often, and within which limits.

::

    name: hardening                    # part of the test's id; may be omitted
    plans: [plans/slugs.yaml, …]       # paths beside this file, or URLs
    repo: ../project
    commit: main                       # default: HEAD; resolved once, when registered
    both: {builder: claude-code}       # what the arms share
    control: {features: []}
    treatment: {features: [failure_hardening]}
    replicates: 2                      # of every plan; or {rule: discordant, others: 0.5}
    max_pairs: 40                      # at most; every plan, every replicate by default
    min_pairs: 30                      # before which monitoring ends nothing; success needs them
    ni_margin: 0.10                    # how much lower phase completion may be
    seed: 1                            # of the order of pairs and arms, and of permutations
    metrics: [doctor_calls, retries]   # secondary; all when omitted
    primary: tokens                    # or cost: what the resource axis compares
    success_endpoint: phases           # or runs: what decides about success
    margin_alpha: 0.025                # how often "within the margin" may be false
    budget: {tokens: 50000000}         # of all pairs together; also cost, minutes
    concurrency: 1                     # pairs at once; may change without starting anew
    arms: sequential                   # or together

An arm has ``features`` (exactly these are on; default: the plan's), ``builder``,
``options``, ``model``, ``prompt`` (told to every build) and ``budget: {tokens: N}`` of each of
its runs. ``{pair}`` in an option stands for the number of the pair. What differs between the
arms is the treatment; everything else has to be the same in both runs of a pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from autopack.experiments.shapes.analysis_protocol import LEAST_MARGIN, STRICT
from autopack.model.errors import SpecError
from autopack.model.features import Feature
from autopack.model.fingerprint import Treatment
from autopack.plan.document import Problem, read_document
from autopack.plan.problems import explained, first_problem
from autopack.plan.values import Cost, Count, Id, Minutes, NonEmpty, Tokens

Metric = Literal[
    "builder_tokens",
    "doctor_tokens",
    "doctor_calls",
    "doctor_calls_skipped",
    "retries",
    "wall_seconds",
    "cost",
]
Order = Literal["sequential", "together"]

LONGEST_NAME = 40
# Fields that were added after experiments had been registered without them.
LATER = frozenset({"primary", "success_endpoint", "margin_alpha", "min_pairs", "earlier_days"})
PAIR = "{pair}"


def _short(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters")
    return name


def _all_different(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"lists {twice[0]} twice")
    return values


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


def _in_order(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    return tuple(feature for feature in Feature if feature in features)


def _no_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArmBudget(_Value):
    """What each run of an arm may spend."""

    tokens: Tokens | None = None
    """The most tokens of each run of the arm; the plan's when unset."""


class ArmSpec(_Value):
    """One arm."""

    features: Annotated[tuple[Feature, ...], AfterValidator(_in_order)] | None = None
    """Exactly these features are on; the plan's when unset."""
    builder: NonEmpty | None = None
    """The builder of the arm."""
    options: dict[str, str] = Field(default_factory=dict)
    """The builder's options; `{pair}` in one stands for the number of the pair."""
    model: NonEmpty | None = None
    """The builder's model."""
    prompt: NonEmpty | None = None
    """Told to every build of the arm."""
    budget: ArmBudget = ArmBudget()
    """What each run of the arm may spend."""

    def over(self, base: ArmSpec) -> ArmSpec:
        """This arm, with ``base`` for what it does not say; options are merged one by one."""
        mine = {name: getattr(self, name) for name in self.model_fields_set}
        return base.model_copy(update={**mine, "options": {**base.options, **self.options}})

    def options_of(self, pair: int) -> dict[str, str]:
        """Return the options of the run in pair number ``pair``."""
        return {name: value.replace(PAIR, str(pair)) for name, value in self.options.items()}


class CampaignBudget(_Value):
    """The limits of all pairs together; none where unset."""

    tokens: Tokens | None = None
    """The most tokens of all pairs together."""
    cost: Cost | None = None
    """The most US dollars of all pairs together."""
    minutes: Minutes | None = None
    """The most minutes of work of all pairs together."""


class DiscordantReplicates(_Value):
    """Which plans are run a second time, by a rule that is registered."""

    rule: Literal["discordant"]
    """Plans of whose first pair one arm alone succeeded are run again."""
    others: Annotated[
        float, BeforeValidator(_no_switch), Field(gt=0, le=1, allow_inf_nan=False)
    ] = 0.5
    """The chance with which each other plan is run again, too; without it nothing is gained."""


class Experiment(_Value):
    """An experiment as its file declares it."""

    name: Annotated[Id, AfterValidator(_short)] | None = None
    """A part of the test's id."""
    plans: Annotated[tuple[NonEmpty, ...], AfterValidator(_some), AfterValidator(_all_different)]
    """Plan files beside this file, or URLs."""
    repo: NonEmpty
    """The git repository: a folder beside this file, or a URL."""
    commit: NonEmpty | None = None
    """Where runs start; HEAD when unset. Resolved once, when the experiment is registered."""
    both: ArmSpec = ArmSpec()
    """What the arms share."""
    control: ArmSpec = ArmSpec()
    """The arm that is compared with."""
    treatment: ArmSpec
    """The arm in question."""
    replicates: Annotated[
        Annotated[Count, Tag("@number")] | Annotated[DiscordantReplicates, Tag("@rule")],
        Discriminator(lambda given: "@rule" if isinstance(given, dict | BaseModel) else "@number"),
    ] = 1
    """How many pairs of every plan, or the rule that says which plans are run again."""
    max_pairs: Count | None = None
    """The most pairs; every plan and every replicate when unset."""
    min_pairs: Count | None = None
    """Monitoring ends nothing before so many valid pairs: success needs them."""
    ni_margin: Annotated[
        float, BeforeValidator(_no_switch), Field(ge=LEAST_MARGIN, lt=1, allow_inf_nan=False)
    ] = 0.10
    """How much lower phase completion may be for success to count as maintained."""
    seed: Annotated[int, BeforeValidator(_no_switch), Field(ge=0, le=2**63 - 1)] = 0
    """Of the order of pairs and arms, and of permutations."""
    metrics: Annotated[tuple[Metric, ...], AfterValidator(_all_different)] | None = None
    """Secondary metrics; all when unset."""
    primary: Literal["tokens", "cost"] = "tokens"
    """What the resource axis compares."""
    success_endpoint: Literal["runs", "phases"] | None = None
    """What decides about success; phases where they are known, when unset."""
    margin_alpha: Annotated[
        float, BeforeValidator(_no_switch), Field(gt=0, le=0.05, allow_inf_nan=False)
    ] = STRICT
    """How often “within the margin” may be false; 0.05 is the weaker convention."""
    earlier_days: (
        Annotated[float, BeforeValidator(_no_switch), Field(gt=0, le=3650, allow_inf_nan=False)]
        | None
    ) = None
    """How many days back control runs of the same plans count, too; none when unset."""
    budget: CampaignBudget = CampaignBudget()
    """The limits of all pairs together."""
    concurrency: Annotated[int, BeforeValidator(_no_switch), Field(ge=1, le=100)] = 1
    """How many pairs run at once; may change when the experiment is resumed."""
    arms: Order = "sequential"
    """Whether the runs of a pair follow one another or run together."""

    @model_validator(mode="after")
    def _pairs_can_be_had(self) -> Experiment:
        if not isinstance(self.replicates, int):
            if self.max_pairs is not None:
                raise ValueError("max_pairs does not go with a rule for replicates")
            if self.earlier_days is not None:
                raise ValueError("earlier_days does not go with a rule for replicates")
        most = len(self.plans) * self.rounds
        if self.max_pairs is not None and self.max_pairs > most:
            raise ValueError(
                f"max_pairs is {self.max_pairs}, but {len(self.plans)} plans with "
                f"{self.rounds} replicates make {most} pairs"
            )
        if self.min_pairs is not None and self.min_pairs > self.planned:
            raise ValueError(
                f"min_pairs is {self.min_pairs}, but at most {self.planned} pairs are planned"
            )
        return self

    def declaration(self) -> dict[str, object]:
        """Return what is declared, as plain values; how many pairs run at once is no part of it.

        Choices that came later are omitted at their defaults, so that an experiment that an
        earlier version registered is still the same.
        """
        said = self.model_dump(mode="json", exclude={"concurrency"})
        fields = type(self).model_fields
        return {
            name: value
            for name, value in said.items()
            if name not in LATER or value != fields[name].default
        }

    @property
    def planned(self) -> int:
        """How many pairs are run at most; replicates that a rule adds come on top."""
        return self.max_pairs or len(self.plans) * self.rounds

    @property
    def rounds(self) -> int:
        """How often every plan is run in any case."""
        return self.replicates if isinstance(self.replicates, int) else 1

    @property
    def replicated_others(self) -> float | None:
        """The chance of a second pair of concordant plans; None without such a rule."""
        return None if isinstance(self.replicates, int) else self.replicates.others

    def arm(self, name: Literal["control", "treatment"]) -> ArmSpec:
        """One arm with what both share."""
        return (self.control if name == "control" else self.treatment).over(self.both)


def treatments(control: ArmSpec, treatment: ArmSpec) -> frozenset[Treatment]:
    """Return in what two arms differ; empty where an experiment compares a thing with itself."""
    fields: Mapping[Treatment, str] = {kind: kind.value for kind in Treatment}
    return frozenset(
        kind for kind, name in fields.items() if getattr(control, name) != getattr(treatment, name)
    )


_SHAPES: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Experiment,
    ("both",): ArmSpec,
    ("control",): ArmSpec,
    ("treatment",): ArmSpec,
    ("both", "budget"): ArmBudget,
    ("control", "budget"): ArmBudget,
    ("treatment", "budget"): ArmBudget,
    ("budget",): CampaignBudget,
    ("replicates",): DiscordantReplicates,
    ("replicates", "@rule"): DiscordantReplicates,
}


def _untagged(problem: Problem) -> Problem:
    """Return the problem with its place as the file has it, without which form was tried."""
    return replace(problem, loc=tuple(step for step in problem.loc if str(step)[:1] != "@"))


def parse_experiment(text: str, *, name: str = "experiment") -> Experiment:
    """Return the experiment that ``text`` spells in YAML or JSON; ``name`` is what errors call it.

    Raises SpecError with the first problem by line, and how many more there are.
    """
    document = read_document(text)
    if not document.readable:
        raise first_problem(name, document.problems, SpecError)
    if not isinstance(document.data, dict):
        raise SpecError(
            f"{name}:1: must be a mapping with plans, repo and treatment",
            line=1,
            hint="write YAML or JSON as autopack.experiments.design.definition describes it",
        )
    problems = list(document.problems)
    try:
        experiment = Experiment.model_validate(cast("dict[str, object]", document.data))
    except ValidationError as error:
        problems += [_untagged(one) for one in explained(error, document, _SHAPES)]
        raise first_problem(name, problems, SpecError) from error
    if problems:
        raise first_problem(name, problems, SpecError)
    return experiment
