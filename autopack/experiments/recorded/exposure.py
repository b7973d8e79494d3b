"""Whether a treatment acted: a feature that never did anything cannot have saved anything.

What can be looked up is looked up: what a feature did in a run, and which models the ledger saw.
Another builder, prompt, option or budget acts by being there, and is not measured.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from autopack.model.features import Feature
from autopack.model.fingerprint import RULES, Treatment

if TYPE_CHECKING:
    from autopack.experiments.recorded.run_facts import RunFacts

MODEL = "the declared model"

# What a feature does that can be looked up, as it is told: "failure_hardening matched in …".
VERBS: Mapping[Feature, str] = {
    Feature.FAILURE_HARDENING: "matched a failure",
    Feature.INTENTION_CONTEXT: "told the agent something",
    Feature.PLAN_NORMALIZATION: "made the plan",
    Feature.PHASE6_METRICS: "recorded something",
    Feature.CONSOLIDATED_METRICS: "recorded something",
    Feature.CONTEXT_PACK: "showed the agent files",
    Feature.HOLDOUT: "drew whether to auto-fix",
}
# These only record: that they are on changes nothing that an agent does.
RECORD_ONLY = frozenset({Feature.PHASE6_METRICS, Feature.CONSOLIDATED_METRICS})

_MEASURED = frozenset({Treatment.FEATURES, Treatment.MODEL})
# A dated or floating version of a model is that model, and so is what a tag chooses of it: as
# Anthropic, OpenAI, Google, Mistral, Bedrock, OpenRouter and Ollama write them.
_VERSION = re.compile(
    r"(?:[-@:]?\d{6,8}.*|[-@]\d{4}-\d\d(?:-\d\d)?|-\d{3,4}|-\d\d-\d\d|-latest|[@:].*|-v\d+(?::\d+)?"
    r"|-(?:preview|exp)(?:-.*)?)?"
)
_PROVIDER = re.compile(
    r"[a-z][a-z_-]*:(?!(?:latest|free|nitro|floor|online|extended|exacto|thinking|cloud|instruct"
    r"|chat)\b)(?=[a-z])"
)
_VENDOR = re.compile(
    r"(?:(?:us|us-gov|eu|apac|au|jp|global)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|google|meta"
    r"|minimax|mistral|moonshot|nvidia|openai|qwen|writer|zai)\."
)


@dataclass(frozen=True)
class Exposure:
    """In how many of ``pairs`` one part of the treatment acted; ``unknown`` more do not tell."""

    treatment: str
    acted: int
    unknown: int
    pairs: int

    @property
    def never(self) -> bool:
        """Whether it is known to have acted in none."""
        return self.acted == 0 and self.unknown == 0

    @property
    def always(self) -> bool:
        """Whether it acted in all."""
        return self.acted == self.pairs

    def __str__(self) -> str:
        name = self.treatment
        verb = "was seen in" if name == MODEL else f"{VERBS[Feature(name)]} in"
        unknown = f", and {self.unknown} do not tell" if self.unknown else ""
        return f"{name} {verb} {self.acted} of {self.pairs} pairs{unknown}"


def of_pair(control: RunFacts, treatment: RunFacts) -> dict[str, bool | None]:
    """Return whether each measured part of what differs between two runs acted; None where
    unknown.
    """
    mine, theirs = control.arm.fingerprint, treatment.arm.fingerprint
    if mine is None or theirs is None:
        return {}
    found: dict[str, bool | None] = {}
    one, other = set(mine.features or ()), set(theirs.features or ())
    for name in sorted(one ^ other):
        facts = treatment if name in other else control
        if name in frozenset(Feature) and name in facts.acted:
            found[name] = facts.acted[name]
    if mine.model_mapping_hash != theirs.model_mapping_hash:
        seen = [
            saw_model(name, facts.models_seen)
            for name, facts in (
                ((mine.models or {}).get("builder"), control),
                ((theirs.models or {}).get("builder"), treatment),
            )
            if name is not None
        ]
        found[MODEL] = False if False in seen else None if None in seen or not seen else True
    return found


def saw_model(declared: str, seen: Collection[str]) -> bool | None:
    """Return whether calls of ``seen`` models are of the declared one; None where no call names
    one.
    """
    if not seen:
        return None
    plain = _plain(declared)
    return any(
        _is_version(name, plain) or _is_version(plain, name) or _is_alias(plain, name)
        for name in map(_plain, seen)
    )


def acts_by_itself(pairs: Iterable[tuple[RunFacts, RunFacts]]) -> bool:
    """Return whether the runs differ in something that acts by being there; a seed does not."""
    for one, other in pairs:
        mine, theirs = one.arm.fingerprint, other.arm.fingerprint
        if mine is None or theirs is None:
            continue
        for name, rule in RULES.items():
            if rule.declared_as is None or rule.declared_as in _MEASURED:
                continue
            if _effective(getattr(mine, name)) != _effective(getattr(theirs, name)):
                return True
    return False


def _effective(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    options = cast("dict[str, Any]", value)
    return {name: value for name, value in options.items() if name != "seed"}


def summarise(pairs: Sequence[Mapping[str, bool | None]]) -> list[Exposure]:
    """Over several pairs: each part of the treatment, in how many it acted."""
    names = dict.fromkeys(name for pair in pairs for name in pair)
    return [
        Exposure(
            name,
            sum(pair.get(name) is True for pair in pairs),
            sum(name in pair and pair[name] is None for pair in pairs),
            sum(name in pair for pair in pairs),
        )
        for name in names
    ]


def _plain(model: str) -> str:
    """Return a model's own name, without provider, path or vendor; a tag stays with it."""
    name = model.strip().lower().rpartition("/")[2]
    for prefix in (_PROVIDER, _VENDOR):
        found = prefix.match(name)
        name = name[found.end() :] if found else name
    return name


def _is_alias(plain: str, name: str) -> bool:
    """Return whether a word that an agent takes for a model, such as sonnet, is in its name."""
    return plain.isalpha() and plain in name.split("-")


def _is_version(name: str, plain: str) -> bool:
    return name.startswith(plain) and _VERSION.fullmatch(name[len(plain) :]) is not None
