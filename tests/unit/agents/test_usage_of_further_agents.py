"""What the further agents print: errors, cut-off streams, last words, impossible figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.agent_output import lines

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


def _qwen(**usage: int) -> bytes:
    message = {"id": "a", "model": "m", "usage": usage}
    ended = {"type": "result", "is_error": False, "result": "ok", "usage": usage}
    return lines({"type": "assistant", "message": message}, ended)


def _gemini_answer(**tokens: int) -> bytes:
    answer = {"type": "gemini", "id": "a", "model": "m", "tokens": tokens}
    return lines(answer, {"type": "result", "status": "success", "stats": {}})


def _gemini_sums(**sums: int) -> bytes:
    return lines({"type": "result", "status": "success", "stats": {"models": {"m": sums}}})


def _gemini_report(**tokens: int) -> bytes:
    return lines({"response": "ok", "stats": {"models": {"m": {"tokens": tokens}}}})


def _mini(cached: int = 0, written: int = 0, reasoning: int = 0) -> bytes:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "cache_creation_input_tokens": written,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    answer = {"role": "assistant", "extra": {"response": {"model": "m", "usage": usage}}}
    ended = {"role": "exit", "extra": {"exit_status": "Submitted"}}
    return lines({"messages": [answer, ended]})


def _codex(**usage: int) -> bytes:
    usage = {"input_tokens": 100, "output_tokens": 10} | usage
    return lines({"type": "turn.started"}, {"type": "turn.completed", "usage": usage})


def _neutral(**figures: int) -> bytes:
    return lines({"model": "m"} | figures)


# output, its tokens, and whether all of its figures can be true
@pytest.mark.parametrize(
    ("format_name", "told", "total", "can_be"),
    [
        # no more can be read from a cache than goes in
        ("qwen", _qwen(input_tokens=100, cache_read_input_tokens=100, output_tokens=9), 109, True),
        ("qwen", _qwen(input_tokens=100, cache_read_input_tokens=500, output_tokens=9), 509, False),
        ("gemini", _gemini_answer(input=100, cached=100, output=9), 109, True),
        ("gemini", _gemini_answer(input=100, cached=500, output=9), 509, False),
        ("gemini", _gemini_report(prompt=100, cached=100, candidates=9), 109, True),
        ("gemini", _gemini_report(prompt=100, cached=500, candidates=9), 509, False),
        ("gemini", _gemini_sums(input_tokens=100, cached=100, total_tokens=110), 110, True),
        ("gemini", _gemini_sums(input_tokens=100, cached=500, total_tokens=110), 510, False),
        ("mini-swe-agent", _mini(cached=60, written=40), 110, True),
        ("mini-swe-agent", _mini(cached=60, written=41), 111, False),
        ("codex", _codex(cached_input_tokens=100), 110, True),
        ("codex", _codex(cached_input_tokens=500), 510, False),
        # nor can a part be more than the whole
        ("gemini", _gemini_sums(input_tokens=100, cached=0, total_tokens=50), 100, False),
        ("mini-swe-agent", _mini(reasoning=10), 110, True),
        ("mini-swe-agent", _mini(reasoning=11), 110, False),
        ("mini-swe-agent", _mini(reasoning=-1), 110, False),
        ("codex", _codex(reasoning_output_tokens=10), 110, True),
        ("codex", _codex(reasoning_output_tokens=11), 110, False),
        ("neutral", _neutral(total=100, output=100), 100, True),
        ("neutral", _neutral(total=100, output=2000), 2000, False),
        ("neutral", _neutral(total=100, cache_read=60, cache_write=41), 101, False),
        ("neutral", _neutral(total=100, reasoning=101), 101, False),
        ("neutral", _neutral(total=0, input=100, output=10), 110, False),
    ],
)
def test_figures_that_contradict_each_other_are_not_exact(
    format_name: str, told: bytes, total: int, can_be: bool
) -> None:
    usage = parse(format_name, told)

    exactness = Exactness.EXACT if can_be else Exactness.PARTIAL
    assert (usage.total.total, usage.exactness) == (total, exactness)
