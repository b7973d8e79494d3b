"""Experiment files: what they say, and what is said of those that are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from autopack.experiments.design.definition import parse_experiment, treatments
from autopack.model.errors import SpecError
from autopack.model.fingerprint import Treatment

WHOLE = """\
name: hardening
plans: [a.yaml, b.yaml]
repo: ../project
commit: main
both: {builder: simulated, options: {seed: 7, spec: a.yaml}}
control: {features: []}
treatment: {features: [failure_hardening], options: {spec: b.yaml}}
replicates: 2
max_pairs: 3
ni_margin: 0.05
seed: 4
metrics: [retries, doctor_calls]
budget: {tokens: 1000, cost: 2.50, minutes: 10}
concurrency: 2
arms: together
"""
LEAST = "plans: [a.yaml]\nrepo: .\ntreatment: {features: [failure_hardening]}\n"


def test_a_file_says_everything() -> None:
    experiment = parse_experiment(WHOLE)
    assert experiment.planned == 3
    assert experiment.arm("control").options == {"seed": "7", "spec": "a.yaml"}
    assert experiment.arm("treatment").options == {"seed": "7", "spec": "b.yaml"}
    assert experiment.arm("treatment").builder == "simulated"
    assert experiment.metrics == ("retries", "doctor_calls")


def test_what_is_left_out_has_its_default() -> None:
    experiment = parse_experiment(LEAST)
    assert (experiment.planned, experiment.ni_margin, experiment.seed) == (1, 0.10, 0)
    assert (experiment.concurrency, experiment.arms, experiment.metrics) == (1, "sequential", None)


def test_json_is_read_too() -> None:
    text = '{"plans": ["a"], "repo": ".", "treatment": {"model": "m"}}'
    assert parse_experiment(text).treatment.model == "m"


@pytest.mark.parametrize(
    ("arms", "differs"),
    [
        ("control: {features: []}\ntreatment: {features: [failure_hardening]}", "features"),
        ("treatment: {model: large}", "model"),
        ("both: {builder: codex}\ntreatment: {builder: pi}", "builder"),
        ("both: {options: {seed: 1}}\ntreatment: {options: {seed: 2}}", "options"),
        ("treatment: {prompt: Be brief.}", "prompt"),
        ("treatment: {budget: {tokens: 5}}", "budget"),
        ("treatment: {model: large, prompt: Be brief.}", "model prompt"),
        ("both: {model: large}\ntreatment: {model: large}", ""),
    ],
)
def test_the_treatment_is_what_differs(arms: str, differs: str) -> None:
    experiment = parse_experiment(f"plans: [a]\nrepo: .\n{arms}\n")
    found = treatments(experiment.arm("control"), experiment.arm("treatment"))
    assert found == {Treatment(name) for name in differs.split()}


def test_the_number_of_the_pair_stands_in_options() -> None:
    arm = parse_experiment(LEAST + "both: {options: {seed: '1{pair}', spec: s}}\n").arm("control")
    assert arm.options_of(12) == {"seed": "112", "spec": "s"}


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (("replicates:", "replicate:"), "8: replicate", "did you mean replicates?"),
        (("features: []", "feature: []"), "6: control.feature", "did you mean features?"),
        (("failure_hardening", "hardening"), "7: treatment.features[0]", "is not one of"),
        (("plans: [a.yaml, b.yaml]", "plans: []"), "2: plans", "must not be empty"),
        (("b.yaml]", "a.yaml]"), "2: plans", "lists a.yaml twice"),
        (("max_pairs: 3", "max_pairs: 5"), "1: ", "make 4 pairs"),
        (("max_pairs: 3", "max_pairs: many"), "9: max_pairs", "must be a whole number"),
        (("ni_margin: 0.05", "ni_margin: 1"), "10: ni_margin", "must be less than 1"),
        (("ni_margin: 0.05", "ni_margin: 0"), "10: ni_margin", "must be at least 0.001"),
        (("seed: 4", "seed: -4"), "11: seed", "must be at least 0"),
        (("[retries,", "[luck,"), "12: metrics[0]", "must be builder_tokens"),
        (("tokens: 1000", "tokens: 0"), "13: budget.tokens", "must be at least 1"),
        (("arms: together", "arms: apart"), "15: arms", "must be sequential or together"),
        (("concurrency: 2", "concurrency: 0"), "14: concurrency", "must be at least 1"),
        (("name: hardening", "name: Hardening"), "1: name", "not a valid id"),
        (("name: hardening", "name: " + "x" * 41), "1: name", "at most 40 characters"),
        (("repo: ../project\n", ""), "1: repo", "is required"),
        (("options: {seed: 7,", "options: [seed, {a: 7},"), "5: ", "YAML"),
        (("{seed: 7, spec: a.yaml}", "[seed]"), "5: both.options", "must be a mapping"),
        (("seed: 7", "seed: "), "5: both.options.seed", "is empty"),
    ],
)
def test_what_is_wrong_has_its_line_and_field(
    change: tuple[str, str], place: str, words: str
) -> None:
    assert change[0] in WHOLE
    with pytest.raises(SpecError) as caught:
        parse_experiment(WHOLE.replace(*change), name="ab.yaml")
    assert caught.value.message.startswith(f"ab.yaml:{place}"), caught.value.message
    assert words in caught.value.message
    assert caught.value.kind == "experiment"


@pytest.mark.parametrize("text", ["", "just words", "- a list", "42"])
def test_what_is_no_mapping_is_told_so(text: str) -> None:
    with pytest.raises(SpecError, match="must be a mapping"):
        parse_experiment(text)


def test_several_problems_are_counted() -> None:
    with pytest.raises(SpecError) as caught:
        parse_experiment("plans: []\nrepos: .\ntreatment: {}\n")
    found: Any = caught.value
    assert (found.line, found.field) == (1, "plans")
    assert "and 2 more problems" in found.message
