"""The plan: what a run shall do, in phases, within which limits. Values only; loading is apart.

Names are those of the plan file, but for ``validate``, which pydantic reserves: a phase has it
as ``checks``. A plan that a file or a person wrote is read by ``autopack.plan.load``, which
explains what is wrong with it and where.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self

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
from autopack.plan.values import (
    CommandText,
    Cost,
    Count,
    Id,
    Label,
    Minutes,
    NonEmpty,
    RepoPath,
    Tokens,
)


class DoctorMode(StrEnum):
    """Whom a failing phase may consult: nobody, a recorded script, a model."""

    OFF = "off"
    SCRIPT = "script"
    API = "api"


class DriftMode(StrEnum):
    """What happens when a phase's description strays from the goal."""

    OFF = "off"
    ADVISORY = "advisory"
    BLOCK = "block"


class OnSkip(StrEnum):
    """What becomes of the dependants of a skipped phase."""

    BLOCK = "block"
    RELEASE = "release"


class TestsMode(StrEnum):
    """What becomes of changes of tests and their settings: told of, or refused."""

    __test__ = False  # for pytest, which would collect it

    REPORT = "report"
    PROTECT = "protect"


def _off(value: object) -> object:
    # YAML 1.1 readers, and JSON made from what they read, have the word off as false.
    return "off" if value is False or value == "false" else value


def _listed_once(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
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
    """What a phase may change: files, folders ending in "/" and globs; no paths means all."""

    paths: tuple[RepoPath, ...] = ()
    read_only: tuple[RepoPath, ...] = ()


class RunBudget(_Value):
    """The limits of a whole run; ``cost`` is in US dollars, None for no limit."""

    tokens: Tokens = 5_000_000
    cost: Cost | None = None
    phases: Count = 25
    minutes: Minutes = 120.0


class PhaseBudget(_Value):
    """The limits of one phase; None leaves only the run's own."""

    tokens: Tokens | None = None
    attempts: Count = 5
    minutes: Minutes | None = None


class Policy(_Value):
    """What may happen when things go wrong; ``execute_fix`` lists what the doctor may run."""

    doctor: Annotated[DoctorMode, BeforeValidator(_off)] = DoctorMode.OFF
    drift: Annotated[DriftMode, BeforeValidator(_off)] = DriftMode.ADVISORY
    on_skip: OnSkip = OnSkip.BLOCK
    execute_fix: tuple[CommandText, ...] = ()
    tests: TestsMode = TestsMode.REPORT


class Models(_Value):
    """Which model plays which part; None leaves the choice to the block or the builder."""

    builder: NonEmpty | None = None
    doctor_cheap: NonEmpty | None = None
    doctor_strong: NonEmpty | None = None


class PhaseSpec(_Value):
    """One phase; ``checks`` None means inferred from the toolchain, empty means none."""

    id: Id
    tier: Label = "T1"
    instructions: NonEmpty
    deliverables: tuple[RepoPath, ...] = ()
    scope: Scope = Scope()
    checks: tuple[CommandText, ...] | None = Field(
        default=None, validation_alias="validate", serialization_alias="validate"
    )
    depends_on: tuple[str, ...] = ()
    budget: PhaseBudget = PhaseBudget()
    approval: bool = False


class Plan(_Value):
    """A whole plan; ``setup`` None means inferred from the toolchain, empty means none.

    ``model_fields_set`` tells what the author wrote from what is a default, until the plan has
    been through ``to_json``, which writes everything out.
    """

    goal: NonEmpty
    success_criteria: tuple[NonEmpty, ...] = ()
    non_goals: tuple[NonEmpty, ...] = ()
    setup: tuple[CommandText, ...] | None = None
    features: Annotated[tuple[Feature, ...], AfterValidator(_listed_once)] = ()
    policy: Policy = Policy()
    models: Models = Models()
    budget: RunBudget = RunBudget()
    phases: Annotated[tuple[PhaseSpec, ...], AfterValidator(_not_empty)]

    @model_validator(mode="after")
    def _phases_fit_together(self) -> Self:
        found = misfits(self.phases, most=self.budget.phases)
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
        """The phases as they run: tier by tier, dependencies first, else as in the file."""
        return in_order(self.phases)

    @cached_property
    def plan_hash(self) -> str:
        """SHA-256 over everything the plan says, defaults included, however it was spelled.

        What earlier versions did not know is left out where it has its default, so that a plan
        that they stored has the same hash today.
        """
        said = self.to_dict()
        if said["policy"]["tests"] == TestsMode.REPORT:
            del said["policy"]["tests"]
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode("utf-8")).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The plan under the plan file's keys, as plain JSON values, defaults written out."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """``to_dict`` as JSON text; ``from_json`` reads it back."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that ``to_json`` wrote. Text from elsewhere goes through ``parse_plan``."""
        return cls.model_validate_json(text, by_alias=True, by_name=False)
