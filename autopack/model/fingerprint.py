"""The fingerprint of a run: what it started from, and what each part means for a pair.

Two runs make a pair when everything that must match matches, and what may differ differs in
exactly the declared way. ``RULES`` says which is which; a field without a rule is a fault.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast


class Role(StrEnum):
    """What a difference in a field means for a pair."""

    MUST_MATCH = "must match"
    BY_DECLARATION = "may differ by declaration"
    IRRELEVANT = "irrelevant"


class Treatment(StrEnum):
    """What an experiment may declare to differ between its arms."""

    FEATURES = "features"
    BUILDER = "builder"
    OPTIONS = "options"
    MODEL = "model"
    PROMPT = "prompt"
    BUDGET = "budget"


@dataclass(frozen=True)
class Rule:
    """``label`` names the field in reasons. ``reason`` is why it matters, or why it does not.

    ``declared_as``: which declaration lets it differ. ``optional``: None is a value of its own,
    not a missing record.
    """

    role: Role
    label: str
    reason: str
    declared_as: Treatment | None = None
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What a run started from; None is what was not recorded, or where ``RULES`` says so, none.

    ``features`` are names in order, ``models`` maps each part to the model that plays it,
    ``option_files`` has the SHA-256 of each file that an option of the builder names, and what
    else shapes its builds: the user's own settings, the version of the prompt.
    """

    commit_sha: str | None
    tree_hash: str | None
    dirty: bool | None
    run_spec_hash: str | None
    environment_hash: str | None
    platform: str | None
    settings: dict[str, str] | None
    autopack_version: str | None
    repo_url: str | None
    branch: str | None
    operator: str | None
    builder: str | None
    builder_options: dict[str, Any] | None
    option_files: dict[str, str] | None
    models: dict[str, str | None] | None
    model_mapping_hash: str | None
    features: tuple[str, ...] | None
    feature_hash: str | None
    prompt_hash: str | None
    token_cap: int | None
    at_cap: str | None
    timestamp: datetime | None


def _must(label: str, reason: str) -> Rule:
    return Rule(Role.MUST_MATCH, label, reason)


def _may(treatment: Treatment, label: str, *, optional: bool = False) -> Rule:
    return Rule(
        Role.BY_DECLARATION, label, f"it can be the treatment: {treatment}", treatment, optional
    )


def _any(label: str, reason: str) -> Rule:
    return Rule(Role.IRRELEVANT, label, reason, optional=True)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "commit_sha": _must("commit", "another commit is another task"),
        "tree_hash": _must("tree", "the files that the agent starts from"),
        "run_spec_hash": _must("plan", "another plan is another task"),
        "environment_hash": _must("environment", "other tools judge and build otherwise"),
        "platform": _must("platform", "other systems run other code"),
        "settings": _must("settings", "variables that change what Autopack does"),
        "autopack_version": _must("Autopack version", "another version acts otherwise"),
        "repo_url": _must("repository", "another repository may have other hooks and submodules"),
        "builder": _may(Treatment.BUILDER, "builder"),
        "builder_options": _may(Treatment.OPTIONS, "builder options"),
        "option_files": _may(Treatment.OPTIONS, "files of builder options"),
        "models": _may(Treatment.MODEL, "models"),
        "model_mapping_hash": _may(Treatment.MODEL, "model mapping"),
        "features": _may(Treatment.FEATURES, "features"),
        "feature_hash": _may(Treatment.FEATURES, "feature set"),
        "prompt_hash": _may(Treatment.PROMPT, "prompt", optional=True),
        "token_cap": _may(Treatment.BUDGET, "token cap"),
        "at_cap": _may(Treatment.BUDGET, "conduct at a cap"),
        "dirty": _any("dirty flag", "a run starts from its commit, never from the checkout"),
        "branch": _any("branch", "the commit is pinned, whatever branch the checkout was on"),
        "operator": _any("operator", "who starts a run changes nothing in it"),
        "timestamp": _any("start", "runs start one after the other; a long gap is a warning"),
    }
)


def digest(value: object) -> str:
    """SHA-256 of a plain value, however its keys were ordered."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


LADDER = "builder_ladder"
"""The part of the models that the builder climbs to, where there are several."""


def model_mapping(models: Mapping[str, Any], builder: str | None) -> dict[str, str | None]:
    """Return which model plays which part in a run whose builder begins with ``builder``.

    A ladder is a part of its own, and so is each phase that chooses for itself.
    """
    named = dict(models)
    ladder, after = named.get("builder"), named.pop("escalate_after", None)
    chosen: Mapping[str, Mapping[str, Any]] = named.pop("phases", {})
    parts: dict[str, str | None] = {**named, "builder": builder}
    if isinstance(ladder, list):
        parts[LADDER] = f"{_listed(cast('list[object]', ladder))} after {after}"
    for phase_id, choice in sorted(chosen.items()):
        said = [f"{name} {_listed(value)}" for name, value in sorted(choice.items())]
        parts[f"phase {phase_id}"] = ", ".join(said)
    return parts


def _listed(value: object) -> str:
    names = cast("list[object]", value) if isinstance(value, list) else [value]
    return " > ".join(map(str, names))


def feature_hash(features: Iterable[str]) -> str:
    """Return a digest of a set of features."""
    return digest(sorted(features))


def prompt_hash(prompt: str | None) -> str | None:
    """A digest of what a run's builders are told beyond their tasks; None for nothing."""
    return None if prompt is None else hashlib.sha256(prompt.encode("utf-8")).hexdigest()
