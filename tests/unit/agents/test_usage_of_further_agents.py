"""What gemini, qwen, mini-swe-agent and aider print: errors, cut-off streams, last words."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopack.agents.usage_formats import parse
from autopack.model.calls import Exactness

DATA = Path(__file__).parents[2] / "data" / "agents"


@pytest.mark.parametrize(
    ("format_name", "file", "says"),
    [
        ("gemini", "gemini.e401.stdout", "scripted answer 401"),
        ("qwen", "qwen.e401.stdout", "[API Error: 401 scripted answer 401]"),
    ],
)
def test_a_refusal_is_the_provider_s_answer(format_name: str, file: str, says: str) -> None:
    usage = parse(format_name, DATA / file)
    assert usage.http_status == 401
    assert usage.said is None
    assert says in (usage.error or "")


@pytest.mark.parametrize(
    ("format_name", "file"),
    [
        ("gemini", "gemini.ok.session.jsonl"),
        ("qwen", "qwen.ok.stdout"),
        ("gemini", "gemini.ok.stdout"),
    ],
)
def test_further_agents_cut_off_anywhere_are_never_exact(format_name: str, file: str) -> None:
    lines = (DATA / file).read_bytes().splitlines(keepends=True)
    for kept in range(len(lines) - 1):
        found = parse(format_name, b"".join(lines[:kept]) + lines[kept][:25])
        assert found.exactness is not Exactness.EXACT
        assert (found.total.total or 0) <= 12172


def test_what_aider_prints_of_an_error_is_the_provider_s_answer() -> None:
    usage = parse("aider", [DATA / "aider.e401.jsonl", DATA / "aider.e401.stdout"])
    assert usage.http_status == 401
    assert "scripted" in (usage.error or "")


def test_the_last_word_of_the_further_agents_is_what_they_said() -> None:
    said = {
        "gemini": "gemini.ok.stdout",
        "qwen": "qwen.ok.stdout",
        "mini-swe-agent": "mini-swe-agent.ok.trajectory.json",
    }
    for name, file in said.items():
        assert (parse(name, DATA / file).said or "").strip() == "Repaired.", name
