"""What makes a pair void, each kind once, and what does not."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autopack.experiments.recorded.validity import (
    ArmRun,
    ArmSettings,
    Declaration,
    PairValidity,
    judge_pair,
    runs_used_twice,
)
from autopack.model.causes import FailureCause
from autopack.model.fingerprint import (
    RULES,
    Fingerprint,
    Role,
    Treatment,
    digest,
    feature_hash,
    prompt_hash,
)
from autopack.model.states import RunState

START = datetime(2026, 3, 1, tzinfo=UTC)
MODELS = {"builder": "small", "doctor_cheap": None}
BASE = Fingerprint(
    commit_sha="a" * 40,
    tree_hash="b" * 40,
    dirty=False,
    run_spec_hash="c" * 64,
    environment_hash="d" * 64,
    platform="Linux",
    settings={},
    autopack_version="1",
    repo_url="/repo",
    branch="main",
    operator="somebody",
    builder="simulated",
    builder_options={"seed": "1"},
    option_files={},
    models=MODELS,
    model_mapping_hash=digest(MODELS),
    features=("phase6_metrics",),
    feature_hash=feature_hash(["phase6_metrics"]),
    prompt_hash=None,
    token_cap=1000,
    at_cap="fail",
    timestamp=START,
)
HARDENED = {
    "features": ("failure_hardening", "phase6_metrics"),
    "feature_hash": feature_hash(["failure_hardening", "phase6_metrics"]),
}
DECLARED = Declaration(
    differs=frozenset({Treatment.FEATURES}),
    control=ArmSettings(features=("phase6_metrics",)),
    treatment=ArmSettings(features=("phase6_metrics", "failure_hardening")),
)


def models(builder: str, **more: str) -> dict[str, Any]:
    mapping = {**MODELS, "builder": builder, **more}
    return {"models": mapping, "model_mapping_hash": digest(mapping)}


def arm(name: str, changes: dict[str, Any], **more: Any) -> ArmRun:
    values: dict[str, Any] = {
        "run_id": name,
        "state": RunState.DONE_SUCCESS,
        "tokens": 100,
        "fingerprint": replace(BASE, **changes),
    }
    return ArmRun(**values | more)


def judge(
    treatment: dict[str, Any] | None = None,
    *,
    control: dict[str, Any] | None = None,
    declared: Declaration = DECLARED,
    **more: Any,
) -> PairValidity:
    return judge_pair(
        "p1",
        arm("c", control or {}),
        arm("t", HARDENED | (treatment or {}), **more),
        declared,
    )


def test_a_complete_matched_pair_is_valid() -> None:
    assert judge() == PairValidity(
        pair_id="p1",
        control_run_id="c",
        treatment_run_id="t",
        is_valid=True,
        warnings=(),
        errors=(),
    )


@pytest.mark.parametrize(
    ("changes", "void"),
    [
        ({"commit_sha": "e" * 40}, "commit differs"),
        ({"commit_sha": None}, "commit of treatment is missing"),
        ({"tree_hash": "e" * 40}, "tree differs"),
        ({"run_spec_hash": "e" * 64}, "plan differs"),
        ({"run_spec_hash": None}, "plan of treatment is missing"),
        ({"environment_hash": "e" * 64}, "environment differs"),
        ({"platform": "Windows"}, "platform differs"),
        ({"settings": {"AUTOPACK_EMBEDDER": "minilm"}}, "settings differs"),
        ({"autopack_version": "2"}, "Autopack version differs"),
        ({"repo_url": "/fork"}, "repository differs"),
        ({"builder": "codex"}, "builder differs"),
        ({"builder_options": {"seed": "2"}}, "builder options differs"),
        ({"option_files": {"spec": "e" * 64}}, "files of builder options differs"),
        ({"model_mapping_hash": None}, "model mapping of treatment is missing"),
        (models("large"), "models differs; model mapping differs"),
        ({"prompt_hash": prompt_hash("be brief")}, "prompt differs"),
        ({"token_cap": 2000}, "token cap differs"),
        ({"at_cap": "ask"}, "conduct at a cap differs"),
        # declared, but not what the run had: a kill switch turned it off
        (
            {"features": ("phase6_metrics",), "feature_hash": BASE.feature_hash},
            "features of treatment is not as declared; feature set of treatment is not as declared",
        ),
    ],
)
def test_drift_makes_a_pair_void(changes: dict[str, Any], void: str) -> None:
    found = judge(changes)
    assert not found.is_valid
    assert found.void == void


@pytest.mark.parametrize(
    ("more", "void"),
    [
        ({"state": RunState.DONE_FAILED_ENVIRONMENT}, "infrastructure failure in treatment"),
        ({"state": RunState.DONE_CANCELLED}, "infrastructure failure in treatment"),
        ({"state": RunState.PHASE_EXECUTION}, "treatment has not finished"),
        (
            {"state": RunState.DONE_FAILED_BUDGET_EXHAUSTED, "starved": True},
            "shared budget ended treatment",
        ),
        (
            {"state": RunState.DONE_FAILED_BUDGET_EXHAUSTED, "unpriced": True},
            "no known price in treatment",
        ),
        (
            {"state": RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, "undelivered": True},
            "infrastructure failure in treatment",
        ),
        (
            {
                "state": RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW,
                "cause": FailureCause.BUILDER_ERROR,
            },
            "infrastructure failure in treatment",
        ),
        ({"retry_of": "other"}, "treatment is a retry"),
        ({"tokens": 0}, "no tokens of treatment"),
        ({"fingerprint": None}, "no fingerprint of treatment"),
    ],
)
def test_an_end_that_says_nothing_of_the_agent_makes_a_pair_void(
    more: dict[str, Any], void: str
) -> None:
    assert judge(**more).void == void


@pytest.mark.parametrize(
    "state",
    [
        RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW,
        RunState.DONE_FAILED_BUDGET_EXHAUSTED,
        RunState.DONE_FAILED_POLICY_VIOLATION,
    ],
)
def test_a_run_that_failed_by_itself_counts(state: RunState) -> None:
    assert judge(state=state).is_valid


def test_a_run_may_be_in_one_pair_only() -> None:
    shared = runs_used_twice([("c", "t"), ("d", "t")])
    assert shared == {"t"}
    found = judge_pair("p1", arm("c", {}), arm("t", HARDENED), DECLARED, shared=shared)
    assert found.errors == ("run shared between pairs: t",)


def test_a_run_is_no_pair_of_itself() -> None:
    assert judge_pair("p", arm("c", {}), arm("c", {}), Declaration()).void.startswith("run shared")


@pytest.mark.parametrize(
    ("treatment", "control_settings", "treatment_settings", "differs", "void"),
    [
        # exactly the model of the builder
        (models("large"), {"model": "small"}, {"model": "large"}, "model", ""),
        (
            models("other"),
            {"model": "small"},
            {"model": "large"},
            "model",
            "models of treatment is not as declared",
        ),
        (
            models("large", doctor_cheap="tiny"),
            {"model": "small"},
            {"model": "large"},
            "model",
            "models differs in more than what was declared",
        ),
        (
            models("small"),
            {},
            {"model": "large"},
            "model",
            "models of treatment is not as declared",
        ),
        ({"builder": "codex"}, {"builder": "simulated"}, {"builder": "codex"}, "builder", ""),
        (
            {"builder_options": {"seed": "2"}},
            {"options": {"seed": "1"}},
            {"options": {"seed": "2"}},
            "options",
            "",
        ),
        (
            {"builder_options": {"seed": "2", "spec": "x"}},
            {"options": {"seed": "1"}},
            {"options": {"seed": "2"}},
            "options",
            "builder options differs in more than what was declared",
        ),
        # the file that was registered was changed afterwards
        (
            {"option_files": {"spec": "new"}},
            {},
            {"options": {}, "option_files": {"spec": "old"}},
            "options",
            "files of builder options of treatment is not as declared; "
            "files of builder options differs in more than what was declared",
        ),
        ({"prompt_hash": prompt_hash("be brief")}, {}, {"prompt": "be brief"}, "prompt", ""),
        ({"token_cap": 9}, {"token_cap": 1000}, {"token_cap": 9}, "budget", ""),
        (
            {"token_cap": 8},
            {"token_cap": 1000},
            {"token_cap": 9},
            "budget",
            "token cap of treatment is not as declared",
        ),
    ],
)
def test_what_is_declared_may_differ_in_exactly_that_way(
    treatment: dict[str, Any],
    control_settings: dict[str, Any],
    treatment_settings: dict[str, Any],
    differs: str,
    void: str,
) -> None:
    declared = Declaration(
        differs=frozenset({Treatment(differs)}),
        control=ArmSettings(**control_settings),
        treatment=ArmSettings(**treatment_settings),
    )
    found = judge_pair("p", arm("c", {}), arm("t", treatment), declared)
    assert found.void == void


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"timestamp": START + timedelta(hours=24)}, None),
        ({"timestamp": START + timedelta(hours=25)}, "25 hours apart"),
        ({"timestamp": START - timedelta(hours=25)}, "25 hours apart"),
        ({"timestamp": None}, "gap between the arms is unknown"),
        ({"dirty": True}, "uncommitted changes"),
        ({"branch": "other", "operator": "somebody else"}, None),
    ],
)
def test_what_is_irrelevant_warns_at_most(changes: dict[str, Any], warning: str | None) -> None:
    found = judge(changes)
    assert found.is_valid
    assert [warning in text for text in found.warnings if warning] == ([True] if warning else [])
    assert bool(found.warnings) == bool(warning)


# builds or calls that told less than all, and what is known of the run
@pytest.mark.parametrize(("unreconciled", "tokens"), [(2, 500), (1, None), (0, None)])
def test_a_pair_with_unknown_tokens_is_void(unreconciled: int, tokens: int | None) -> None:
    found = judge(unreconciled=unreconciled, tokens=tokens)

    assert not found.is_valid
    assert found.void.startswith("unknown tokens of ")


def test_every_field_of_a_fingerprint_has_chosen() -> None:
    assert {field.name for field in fields(Fingerprint)} == set(RULES)
    for name, rule in RULES.items():
        assert len(rule.reason) > 10, name
        assert (rule.declared_as is not None) == (rule.role is Role.BY_DECLARATION), name


def test_every_declaration_lets_something_differ() -> None:
    assert {rule.declared_as for rule in RULES.values()} - {None} == set(Treatment)


def test_any_difference_in_what_must_match_or_was_not_declared_is_found() -> None:
    """Whatever field is added: changing it alone makes a pair void, unless it is irrelevant."""
    for name, rule in RULES.items():
        if rule.role is not Role.IRRELEVANT:
            changed = replace(BASE, **{name: "changed"})
            found = judge_pair("p", arm("c", {}), arm("t", {}, fingerprint=changed), Declaration())
            assert found.void == f"{rule.label} differs", name
