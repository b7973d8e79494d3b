"""What a repository says of runs that do not say it themselves: `autopack.toml`, `[tool.autopack]`.

The command line beats the plan, the plan beats a builder's block, and that beats these.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from autopack.model.errors import BadInput
from autopack.model.features import Feature
from autopack.plan.document import Document
from autopack.plan.plan import Plan, Policy, listed_once
from autopack.plan.problems import explained, field_name
from autopack.plan.values import Cost, Minutes, NonEmpty, Tokens

OWN_FILE = "autopack.toml"
SHARED_FILE = "pyproject.toml"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Caps(_Value):
    """The caps of a run whose plan sets none."""

    tokens: Tokens | None = None
    """The most tokens of the whole run."""
    cost: Cost | None = None
    """The most US dollars; models need a known price."""
    minutes: Minutes | None = None
    """The most minutes of work."""


class Defaults(_Value):
    """The defaults of a repository, each of them optional."""

    builder: NonEmpty | None = None
    """The coding agent, or one with a block: `claude-code/work`."""
    model: NonEmpty | None = None
    """The builder's model; of no use to a run that names another builder."""
    features: Annotated[tuple[Feature, ...], AfterValidator(listed_once)] = ()
    """The features that are on."""
    budget: Caps = Caps()
    """The caps of a run."""
    policy: Policy = Policy()
    """What may happen when things go wrong, with the keys of the plan file."""

    @classmethod
    def read(cls, text: str, name: str) -> Self | None:
        """Return what a file of this ``name`` says; None when it says nothing of Autopack.

        Raises BadInput naming the file and the key.
        """
        is_shared = name == SHARED_FILE
        if is_shared and "autopack" not in text:
            return None
        try:
            found: object = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            if is_shared and "[tool.autopack" not in text:
                return None  # of others, and perhaps what the run is to put right
            raise BadInput(f"{name}: {error}", field=name, hint="correct the file") from error
        if is_shared:
            found = _inside(_inside(found, "tool"), "autopack")
            if found is None:
                return None
        return cls._checked(found, f"{name}: " + ("tool.autopack" if is_shared else ""))

    @classmethod
    def _checked(cls, data: object, place: str) -> Self:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            problem, *more = explained(error, Document(data), _SHAPES)
            key = field_name(problem.loc)
            dot = "." if key and not place.endswith(" ") else ""
            also = f" (and {len(more)} more problem{'s' * (len(more) > 1)})" if more else ""
            raise BadInput(
                f"{place}{dot}{key}: {problem.message}{also}",
                field=key or None,
                hint=problem.hint or "correct the file, or leave the key out",
            ) from error

    def under(self, plan: Plan, *, own_builder: bool, from_text: bool) -> Plan:
        """Return ``plan`` with these where its author said nothing.

        ``own_builder``: the run's builder is the one of these defaults, so that their model is
        meant for it. Of a plan made ``from_text``, no cap is the author's.
        """
        said = plan.model_fields_set
        changes: dict[str, Any] = {}
        if self.features and "features" not in said:
            changes["features"] = self.features
        caps = _said(self.budget) if from_text else _unsaid(self.budget, plan.budget)
        if caps:
            changes["budget"] = plan.budget.model_copy(update=caps)
        if policy := _unsaid(self.policy, plan.policy):
            changes["policy"] = plan.policy.model_copy(update=policy)
        if self.model and own_builder and plan.models.builder is None:
            changes["models"] = plan.models.model_copy(update={"builder": self.model})
        return plan.model_copy(update=changes)


def _inside(table: object, key: str) -> object:
    return cast("dict[str, object]", table).get(key) if isinstance(table, dict) else None


def _said(value: BaseModel) -> dict[str, Any]:
    return {
        name: one for name in value.model_fields_set if (one := getattr(value, name)) is not None
    }


def _unsaid(value: BaseModel, beaten_by: BaseModel) -> dict[str, Any]:
    said = beaten_by.model_fields_set
    return {name: one for name, one in _said(value).items() if name not in said}


_SHAPES: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Defaults,
    ("budget",): Caps,
    ("policy",): Policy,
}
