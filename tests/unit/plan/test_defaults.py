"""The defaults of a repository: what a file may say, and which key is wrong."""

from __future__ import annotations

import pytest

from autopack.model.errors import BadInput
from autopack.plan.defaults import Defaults

WRONG = {
    "speed = 1": "speed",
    "[policy]\ndoctr = 'off'": "policy.doctr",
    "[policy]\ndoctor = 'maybe'": "policy.doctor",
    "[policy]\nexecute_fix = [3]": "policy.execute_fix[0]",
    "budget = 3": "budget",
    "[budget]\ntokens = 'many'": "budget.tokens",
    "[budget]\ntokens = 0": "budget.tokens",
    "[budget]\ntokens = true": "budget.tokens",
    "[budget]\nphases = 3": "budget.phases",
    "[budget]\ncost = -1.5": "budget.cost",
    "[budget]\nminutes = inf": "budget.minutes",
    "features = 'all'": "features",
    "features = ['all']": "features[0]",
    "builder = 3": "builder",
    "builder = ''": "builder",
    "model = []": "model",
    "model = 1979-05-27": "model",
    "[caps]\ntokens = 3": "caps",
}


@pytest.mark.parametrize(("text", "key"), WRONG.items(), ids=WRONG.values())
@pytest.mark.parametrize("name", ["autopack.toml", "pyproject.toml"])
def test_a_wrong_default_names_file_and_key(name: str, text: str, key: str) -> None:
    if name == "pyproject.toml":
        text = "[tool.autopack]\n" + text.replace("[", "[tool.autopack.", text[0] == "[")
        key = f"tool.autopack.{key}"
    with pytest.raises(BadInput) as caught:
        Defaults.read(text, name)
    assert caught.value.message.startswith(f"{name}: {key}: ")
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "= no toml", "autopack = no toml", "[project]\nname = 'autopack'", "[tool]\nx = 1"]
)
def test_a_pyproject_without_defaults_is_the_projects_own(text: str) -> None:
    assert Defaults.read(text, "pyproject.toml") is None


@pytest.mark.parametrize(
    "text", ["[tool]\nautopack = 3", "[tool.autopack]\nx = ", "tool = 3 # autopack"]
)
def test_a_pyproject_with_broken_defaults_is_refused_or_has_none(text: str) -> None:
    if text.startswith("tool"):
        assert Defaults.read(text, "pyproject.toml") is None
        return
    with pytest.raises(BadInput, match=r"^pyproject\.toml: "):
        Defaults.read(text, "pyproject.toml")
