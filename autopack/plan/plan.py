"""The plan: what a run shall do, in phases, within which limits. Values only; loading is apart.

Names are those of the plan file, but for ``validate``, which pydantic reserves: a phase has it
as ``checks``. A plan that a file or a person wrote is read by ``autopack.plan.load``, which
explains what is wrong with it and where.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from autopack.model.features import Feature
from autopack.plan.dependencies import in_order, misfits
from autopack.plan.researching import ContextRef, ResearchSpec, research_misfits, written_out
from autopack.plan.values import (
    CommandText,
    Cost,
    Count,
    Id,
    Label,
    Minutes,
    ModelNames,
    NonEmpty,
    RepoPath,
    Share,
    Tokens,
    shown,
)

_BUILDER = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class DoctorMode(StrEnum):
    """Whom a failing phase may consult: nobody, a recorded script, a model."""

    OFF = "off"
    SCRIPT = "script"
    API = "api"


class DriftMode(StrEnum):
    """What happens when a phase's description drifts from the goal."""

    OFF = "off"
    ADVISORY = "advisory"
    BLOCK = "block"


class OnSkip(StrEnum):
    """What becomes of the dependants of a skipped phase."""

    BLOCK = "block"
    RELEASE = "release"


class PullRequestMode(StrEnum):
    """Whether a run that succeeded opens a pull request: none, a draft, one for review."""

    OFF = "off"
    DRAFT = "draft"
    READY = "ready"


REVIEWERS = ("off", "script", "api")
"""The words of `policy.review` that name no builder: nobody, a recorded script, a model."""


def _reviewer(value: str) -> str:
    if value not in REVIEWERS and not _BUILDER.fullmatch(value):
        raise ValueError(f"{shown(value)} is no reviewer; use off, script, api or a builder's name")
    return value


class TestsMode(StrEnum):
    """What becomes of changes of tests and their settings: told of, or refused."""

    __test__ = False  # for pytest, which would collect it

    REPORT = "report"
    PROTECT = "protect"


def _off(value: object) -> object:
    # YAML 1.1 readers, and JSON made from what they read, have the word off as false.
    return "off" if value is False or value == "false" else value


def listed_once(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Return the features in their own order, each once."""
    return tuple(feature for feature in Feature if feature in features)


def _not_empty(phases: tuple[PhaseSpec, ...]) -> tuple[PhaseSpec, ...]:
    # Not pydantic's min_length: that also complains when every phase has a fault of its own.
    if not phases:
        raise ValueError("must not be empty")
    return phases


class _Value(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )


class Scope(_Value):
    """What a phase may change."""

    paths: tuple[RepoPath, ...] = ()
    """Files, folders ending in `/` and globs that may change; empty means everything."""
    read_only: tuple[RepoPath, ...] = ()
    """What must not change, also where `paths` names it."""


class RunBudget(_Value):
    """The limits of a whole run; none where unset."""

    tokens: Tokens = 5_000_000
    """The most tokens of the whole run."""
    cost: Cost | None = None
    """The most US dollars; models need a known price."""
    phases: Count = 25
    """The most phases that the plan may have."""
    minutes: Minutes = 120.0
    """The most minutes of work; waiting for a person or a provider's outage is none."""


class PhaseBudget(_Value):
    """The limits of one phase; only the run's own where unset."""

    tokens: Tokens | None = None
    """The most tokens of the phase, all its attempts together."""
    attempts: Count = 5
    """How many builds may end before the phase has failed."""
    minutes: Minutes | None = None
    """The most minutes of all its builds together."""


class Policy(_Value):
    """What may happen when things go wrong."""

    doctor: Annotated[DoctorMode, BeforeValidator(_off)] = DoctorMode.OFF
    """Whom a failing phase may consult: nobody, a recorded script, a model."""
    drift: Annotated[DriftMode, BeforeValidator(_off)] = DriftMode.ADVISORY
    """What follows when a phase drifts from the goal; `block` waits for a person."""
    on_skip: OnSkip = OnSkip.BLOCK
    """What becomes of the dependants of a skipped phase."""
    execute_fix: tuple[CommandText, ...] = ()
    """The commands that the doctor may have run, word for word."""
    tests: TestsMode = TestsMode.REPORT
    """What becomes of changes to tests and their settings: `protect` refuses them."""
    pr: Annotated[PullRequestMode, BeforeValidator(_off)] = PullRequestMode.OFF
    """Whether a run that succeeded pushes its branch and opens a pull request, never merged."""
    review: Annotated[str, BeforeValidator(_off), AfterValidator(_reviewer)] = "off"
    """Who looks at a change that passes its checks: nobody, a recorded script, a model, or the
    builder of that name."""
    review_required: bool = False
    """Whether a person has to approve what passes without the reviewer's approval."""
    holdout: Share = 0.0
    """The share of known failures that are not auto-fixed, by chance, to measure what that saves;
    more than 0 turns the feature `holdout` on."""


class Models(_Value):
    """Which model plays which part; the block's or the builder's choice where unset."""

    builder: ModelNames | None = None
    """The model that builds, or a list of them, cheapest first; the builder's own choice when
    unset."""
    escalate_after: Count = 2
    """After so many failed attempts of a phase, the next model of a list builds."""
    doctor_cheap: NonEmpty | None = None
    """The model that the doctor asks first."""
    doctor_strong: NonEmpty | None = None
    """The model that the doctor asks when the first is not enough."""
    reviewer: NonEmpty | None = None
    """The model that reviews; the option `model` of the reviewing builder when unset."""

    @property
    def first_builder(self) -> str | None:
        """The model that builds first; None where that is the builder's own choice."""
        return self.builder[0] if isinstance(self.builder, tuple) else self.builder


class PhaseSpec(_Value):
    """One phase. Its ``checks`` are ``validate`` in the file, a name that pydantic reserves."""

    id: Id
    """A name: lower-case letters, digits, `.`, `_` and `-`, at most 64 characters."""
    tier: Label = "T1"
    """Tiers run in the order in which they first appear."""
    instructions: NonEmpty
    """What the builder is told to do."""
    deliverables: tuple[RepoPath, ...] = ()
    """Files that must exist afterwards; at least one of them must have changed."""
    scope: Scope = Scope()
    """What the phase may change."""
    checks: tuple[CommandText, ...] | None = Field(
        default=None, validation_alias="validate", serialization_alias="validate"
    )
    """The commands that must succeed; inferred from the toolchain when unset, and no checks when
    empty."""
    depends_on: tuple[str, ...] = ()
    """The phases that must be complete before, within and across tiers."""
    budget: PhaseBudget = PhaseBudget()
    """The limits of this phase."""
    approval: bool = False
    """Whether a person has to approve before the phase starts."""
    builder: NonEmpty | None = None
    """Another builder than the run's, for this phase alone; its options are
    `--set BUILDER.KEY=VALUE`."""
    model: ModelNames | None = None
    """Another model than the run's, or a list of them, cheapest first. A phase with another builder
    that names none has that builder's own choice."""
    research: ResearchSpec | None = None
    """What the phase finds out instead of building something."""
    context: tuple[ContextRef, ...] = ()
    """The research phases, as `research:ID`, whose findings go into the prompt."""

    @model_validator(mode="before")
    @classmethod
    def _research_builds_nothing(cls, value: Any) -> Any:
        return written_out(value)


SINCE_FIRST: Mapping[type[BaseModel], frozenset[str]] = {
    Policy: frozenset({"tests", "pr", "review", "review_required", "holdout"}),
    Models: frozenset({"escalate_after", "reviewer"}),
    PhaseSpec: frozenset({"builder", "model", "research", "context"}),
}
"""The fields that the first version did not know. At their defaults they are no part of the plan's
hash: a new field is listed here, else stored plans no longer have theirs."""


def _drop_unknown_at_first(value: object, said: Any) -> None:
    """Remove from ``said``, which is ``value`` as JSON, what is in SINCE_FIRST at its default."""
    if isinstance(value, tuple):
        for part, part_said in zip(cast("tuple[object, ...]", value), said, strict=True):
            _drop_unknown_at_first(part, part_said)
    elif isinstance(value, BaseModel):
        later = SINCE_FIRST.get(type(value), frozenset())
        for name, field in type(value).model_fields.items():
            key, part = field.serialization_alias or name, getattr(value, name)
            if name in later and part == field.default:
                del said[key]
            else:
                _drop_unknown_at_first(part, said[key])


class Plan(_Value):
    """A whole plan.

    ``model_fields_set`` tells what the author wrote from what is a default, until the plan has
    been through ``to_json``, which writes everything out.
    """

    goal: NonEmpty
    """What the plan is for, in a sentence."""
    success_criteria: tuple[NonEmpty, ...] = ()
    """What must be true at the end; told to agents with `intention_context`."""
    non_goals: tuple[NonEmpty, ...] = ()
    """What is out of scope; told to agents with `intention_context`."""
    setup: tuple[CommandText, ...] | None = None
    """The commands that install the project; inferred from the toolchain when unset, and none
    when empty."""
    features: Annotated[tuple[Feature, ...], AfterValidator(listed_once)] = ()
    """The features that are on; `--enable` adds."""
    policy: Policy = Policy()
    """What may happen when things go wrong."""
    models: Models = Models()
    """Which model plays which part."""
    budget: RunBudget = RunBudget()
    """The limits of the whole run."""
    phases: Annotated[tuple[PhaseSpec, ...], AfterValidator(_not_empty)]
    """The work, in order."""

    @model_validator(mode="after")
    def _phases_fit_together(self) -> Self:
        found = misfits(self.phases, most=self.budget.phases)
        found += research_misfits(self.phases)
        if found:
            raise ValidationError.from_exception_data(
                "Plan",
                [
                    InitErrorDetails(
                        type=PydanticCustomError("misfit", "{why}", {"why": misfit.message}),
                        loc=misfit.loc,
                        input=None,
                    )
                    for misfit in found
                ],
            )
        return self

    def ordered(self) -> tuple[PhaseSpec, ...]:
        """Return the phases as they run: tier by tier, dependencies first, else as in the file."""
        return in_order(self.phases)

    @property
    def plan_hash(self) -> str:
        """SHA-256 over everything the plan says, defaults included, however it was spelled.

        What earlier versions did not know is omitted where it has its default, so that a plan
        that they stored has the same hash today.
        """
        said = self.to_dict()
        _drop_unknown_at_first(self, said)
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode("utf-8")).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the plan under the plan file's keys, as plain JSON values, defaults
        written out.
        """
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """``to_dict`` as JSON text; ``from_json`` reads it back."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the plan that ``to_json`` wrote. Text from elsewhere goes through
        ``parse_plan``.
        """
        return cls.model_validate_json(text, by_alias=True, by_name=False)
