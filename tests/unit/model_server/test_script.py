from __future__ import annotations

from pathlib import Path

import pytest

from autopack.model.errors import BadInput
from autopack.testing.model_server import Mode, load_script


def test_a_file_and_plain_values_are_the_same_script(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text("mode: 429\nturns:\n  - text: Hello.\n    fail: {mode: 500, times: 1}\n")

    script = load_script(path)

    assert script == load_script(
        {"mode": "429", "turns": [{"text": "Hello.", "fail": {"mode": "500", "times": 1}}]}
    )
    assert script.mode is Mode.RATE_LIMITED


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"turn": []}, "turn"),  # no such key
        ({"mode": "fast"}, "mode"),
        ({"turns": [{"usage": {"input": -1}}]}, "conversations.0.turns.0.usage.input"),
        # an action is one thing
        (
            {"turns": [{"actions": [{"read": "a", "run": "b"}]}]},
            "conversations.0.turns.0.actions.0",
        ),
        ({"turns": [{"actions": [{}]}]}, "conversations.0.turns.0.actions.0"),
        ({"turns": [], "conversations": []}, "script"),  # one or the other
    ],
)
def test_a_mistake_is_named(values: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        load_script(values)

    assert refused.value.field == field


@pytest.mark.parametrize("text", ["turns: [", "- a list", "text"])
def test_a_file_that_is_no_script_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(text)

    with pytest.raises(BadInput, match=r"script\.yaml"):
        load_script(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_script(tmp_path / "absent.yaml")
