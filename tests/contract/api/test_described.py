"""The OpenAPI document shows an example of every answer, and each is as the true answer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.api_answers import answers
from support.contract_api import Api

from deployments.api.examples import examples

NO_JSON = {"GET /metrics"}


# What is sent and how it is described has nothing to do with the database.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


def _operations(api: Api) -> dict[str, dict[str, Any]]:
    paths = api.client.get("/openapi.json").json()["paths"]
    return {
        f"{method.upper()} {path}": operation
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def test_each_answer_and_each_error_has_an_example(api: Api) -> None:
    for name, operation in _operations(api).items():
        for status, answer in operation["responses"].items():
            for kind, content in answer.get("content", {}).items():
                if name in NO_JSON and status == "200":
                    continue
                assert "example" in content, (name, status, kind)
        if "requestBody" in operation:
            assert list(operation["requestBody"]["content"]) == ["application/json"], name
        assert {"400", "401", "413", "500", "503"} <= set(operation["responses"]), name


def test_examples_are_as_answers_are(api: Api, tmp_path: Path) -> None:
    told = answers(api, tmp_path)
    assert set(examples()) == set(told) == set(_operations(api)) - NO_JSON
    wrong = [
        f"{name}{where}"
        for name in told
        for where in _differences(examples()[name], told[name], "")
    ]
    assert wrong == []


def _differences(example: Any, true: Any, where: str) -> list[str]:
    """Return where an example shows what no answer has; null may stand for anything.

    A field that is new need not be in it yet.
    """
    if example is None or true is None:
        return []
    if isinstance(example, dict) and isinstance(true, dict):
        if where.endswith(OF_DATA):
            return []
        other = [f"{where}.{name}" for name in example.keys() - true.keys()]
        both = example.keys() & true.keys()
        return other + [
            one
            for name in both
            for one in _differences(example[name], true[name], f"{where}.{name}")
        ]
    if isinstance(example, list) and isinstance(true, list):
        pairs = zip(example[:1], true[:1], strict=False)
        return [one for pair in pairs for one in _differences(*pair, f"{where}[]")]
    same = type(example) is type(true) or {type(example), type(true)} <= {int, float}
    return [] if same else [where]


OF_DATA = (".by_role", ".by_category", ".settings", ".kill_switches")
"""Objects whose keys are data."""
