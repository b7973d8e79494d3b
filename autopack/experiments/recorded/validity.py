"""Whether two runs make a pair: judged from their recorded fingerprints and ends alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from autopack.experiments.recorded.ends import RULES as RULES_OF_ENDS
from autopack.experiments.recorded.ends import End, Outcome, end_of
from autopack.model.causes import FailureCause
from autopack.model.fingerprint import (
    LADDER,
    RULES,
    Fingerprint,
    Role,
    Treatment,
    feature_hash,
    prompt_hash,
)
from autopack.model.states import RunState

LONGEST_GAP = timedelta(hours=24)
_LADDER = frozenset({"builder", LADDER})


@dataclass(frozen=True, kw_only=True)
class ArmRun:
    """One run of a pair. ``tokens`` is its total, None when a part of it is unknown;
    ``unreconciled`` counts the calls, builds among them, that told less than all they used.

    ``cause``, ``undelivered``, ``starved`` and ``unpriced`` tell how it ended: see `ends.end_of`.
    ``retry_of`` is the run whose completed phases it kept, and did not pay for.
    """

    run_id: str
    state: RunState
    tokens: int | None
    fingerprint: Fingerprint | None
    unreconciled: int = 0
    cause: FailureCause | None = None
    undelivered: bool = False
    starved: bool = False
    unpriced: bool = False
    retry_of: str | None = None

    @property
    def end(self) -> End:
        """How it ended, or where it stands."""
        return end_of(
            self.state,
            cause=self.cause,
            undelivered=self.undelivered,
            starved=self.starved,
            unpriced=self.unpriced,
        )

    @property
    def outcome(self) -> Outcome:
        """What that counts as."""
        return RULES_OF_ENDS[self.end].outcome


@dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """What an arm of one pair was declared to be; None is what was not said.

    ``options`` and ``option_files`` hold only what differs between the arms.
    """

    features: tuple[str, ...] | None = None
    builder: str | None = None
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    option_files: Mapping[str, str] = field(default_factory=dict[str, str])
    model: str | None = None
    prompt: str | None = None
    token_cap: int | None = None


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The treatment of a pair: what differs, and what each arm is to have there.

    ``option_names`` are options that may differ whatever their values are.
    """

    differs: frozenset[Treatment] = frozenset()
    control: ArmSettings = ArmSettings()
    treatment: ArmSettings = ArmSettings()
    option_names: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class PairValidity:
    """Whether a pair counts; ``errors`` say why it is void, each with the kind before a colon."""

    pair_id: str
    control_run_id: str
    treatment_run_id: str
    is_valid: bool
    warnings: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def void(self) -> str:
        """The kinds of its errors, as the table of pairs has them; empty for a valid pair."""
        return "; ".join(dict.fromkeys(error.partition(":")[0] for error in self.errors))


def judge_pair(
    pair_id: str,
    control: ArmRun,
    treatment: ArmRun,
    declared: Declaration,
    *,
    shared: Iterable[str] = (),
) -> PairValidity:
    """Judge one pair; ``shared`` are runs that other pairs use, too."""
    errors = [
        *_shared(control, treatment, frozenset(shared)),
        *_ends("control", control),
        *_ends("treatment", treatment),
    ]
    warnings: list[str] = []
    for name, arm in (("control", control), ("treatment", treatment)):
        if arm.fingerprint is None:
            errors.append(f"no fingerprint of {name}: run {arm.run_id} never started")
    if control.fingerprint is not None and treatment.fingerprint is not None:
        errors += _drift(control.fingerprint, treatment.fingerprint, declared)
        warnings += _warnings(control.fingerprint, treatment.fingerprint)
    return PairValidity(
        pair_id=pair_id,
        control_run_id=control.run_id,
        treatment_run_id=treatment.run_id,
        is_valid=not errors,
        warnings=tuple(warnings),
        errors=tuple(errors),
    )


def runs_used_twice(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The runs that are in more than one place of these ``(control, treatment)`` pairs."""
    counts = Counter(run_id for pair in pairs for run_id in pair)
    return frozenset(run_id for run_id, times in counts.items() if times > 1)


def _shared(control: ArmRun, treatment: ArmRun, shared: frozenset[str]) -> list[str]:
    used = dict.fromkeys((control.run_id, treatment.run_id))
    return [
        f"run shared between pairs: {run_id}"
        for run_id in used
        if run_id in shared or len(used) == 1
    ]


def _ends(name: str, arm: ArmRun) -> list[str]:
    rule = RULES_OF_ENDS[arm.end]
    if not rule.outcome.counts:
        kind = rule.kind.format(arm=name)
        return [f"{kind}: run {arm.run_id} is {arm.state.value}: {rule.why}"]
    if arm.retry_of is not None:
        return [f"{name} is a retry: run {arm.run_id} kept phases of {arm.retry_of}"]
    if arm.unreconciled or arm.tokens is None:
        return [
            f"unknown tokens of {name}: {arm.unreconciled} builds or calls of run {arm.run_id} told"
            " less than all of what they used"
        ]
    if arm.tokens == 0:
        return [f"no tokens of {name}: run {arm.run_id} has no ratio"]
    return []


def _drift(control: Fingerprint, treatment: Fingerprint, declared: Declaration) -> list[str]:
    """Return every field that is missing, that drifted, or that is not as it was declared."""
    errors: list[str] = []
    for name, rule in RULES.items():
        if rule.role is Role.IRRELEVANT:
            continue
        values = getattr(control, name), getattr(treatment, name)
        missing = [
            arm
            for arm, value in zip(("control", "treatment"), values, strict=True)
            if value is None and not rule.optional
        ]
        if missing:
            errors += [f"{rule.label} of {arm} is missing" for arm in missing]
            continue
        named = rule.declared_as is not None and rule.declared_as in declared.differs
        if not named and values[0] != values[1]:
            errors.append(f"{rule.label} differs: {_shown(values[0])}, {_shown(values[1])}")
        # Files that both arms use have to be what they were when they were declared, too.
        elif named or name == "option_files":
            sides = (
                ("control", control, declared.control),
                ("treatment", treatment, declared.treatment),
            )
            errors += [
                f"{rule.label} of {arm} is not as declared: {_shown(getattr(found, name))}"
                for arm, found, wanted in sides
                if not _as_declared(name, found, wanted)
            ]
            if not _rest_matches(name, control, treatment, declared):
                errors.append(f"{rule.label} differs in more than what was declared")
    return errors


def _as_declared(name: str, found: Fingerprint, wanted: ArmSettings) -> bool:
    """Return whether one arm has what was declared for it in this field."""
    match name:
        case "builder":
            return wanted.builder in (None, found.builder)
        case "builder_options":
            return _holds(found.builder_options, wanted.options)
        case "option_files":
            return _holds(found.option_files, wanted.option_files)
        case "models":
            return wanted.model is None or (found.models or {}).get("builder") == wanted.model
        case "features":
            return wanted.features is None or set(found.features or ()) == set(wanted.features)
        case "feature_hash":
            return wanted.features is None or found.feature_hash == feature_hash(wanted.features)
        case "prompt_hash":
            return found.prompt_hash == prompt_hash(wanted.prompt)
        case "token_cap":
            return wanted.token_cap in (None, found.token_cap)
        case _:
            return True


def _rest_matches(
    name: str, control: Fingerprint, treatment: Fingerprint, declared: Declaration
) -> bool:
    """Return whether the arms agree in what the declaration does not name."""
    match name:
        case "builder_options":
            named = _named_options(declared)
            return _without(control.builder_options, named) == _without(
                treatment.builder_options, named
            )
        case "option_files":
            named = _named_options(declared)
            return _without(control.option_files, named) == _without(treatment.option_files, named)
        case "models":
            return _without(control.models, _LADDER) == _without(treatment.models, _LADDER)
        case "at_cap":
            return control.at_cap == treatment.at_cap
        case _:
            return True


def _named_options(declared: Declaration) -> frozenset[str]:
    """Return the options that the declaration lets differ."""
    return (
        declared.option_names | declared.control.options.keys() | declared.treatment.options.keys()
    )


def _holds(found: Mapping[str, Any] | None, wanted: Mapping[str, str]) -> bool:
    return all((found or {}).get(key) == value for key, value in wanted.items())


def _without(values: Mapping[str, Any] | None, keys: Iterable[str]) -> dict[str, Any]:
    dropped = set(keys)
    return {key: value for key, value in (values or {}).items() if key not in dropped}


def _warnings(control: Fingerprint, treatment: Fingerprint) -> list[str]:
    found: list[str] = []
    if control.timestamp is None or treatment.timestamp is None:
        found.append("the start of a run is not recorded, so the gap between the arms is unknown")
    else:
        gap = abs(control.timestamp - treatment.timestamp)
        if gap > LONGEST_GAP:
            hours = gap.total_seconds() / 3600
            found.append(f"the arms started {hours:.0f} hours apart; models and load may differ")
    if control.dirty or treatment.dirty:
        found.append("the checkout had uncommitted changes; the runs started without them")
    return found


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    if len(text) in (40, 64) and text.isalnum():
        text = text[:12]
    return text if len(text) <= 60 else f"{text[:59]}…"
