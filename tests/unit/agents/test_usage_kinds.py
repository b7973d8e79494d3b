"""What agents of other versions write, and what cannot be true: read right, or unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.agent_output import lines

from autopack.agents.usage_formats import formats, parse
from autopack.model.calls import (
    MOST_TOKENS,
    Exactness,
)

DATA = Path(__file__).parents[2] / "data" / "agents"


def claude_usage(new: object = 10, write: int = 100, read: int = 50, out: object = 9) -> Any:
    return {
        "input_tokens": new,
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": read,
        "output_tokens": out,
    }


NO_TOKENS = claude_usage(0, 0, 0, 0)


def said(out: object, *, message: str = "A", session: str = "s", model: str = "m") -> Any:
    body = {"id": message, "model": model, "usage": claude_usage(out=out)}
    return {"type": "assistant", "message": body, "session_id": session}


def result(session: str = "s", **more: Any) -> Any:
    return {"type": "result", "subtype": "success", "session_id": session, "result": "ok", **more}


def model_usage(new: object = 10, out: object = 159, write: object = 100, read: object = 50) -> Any:
    return {
        "m": {
            "inputTokens": new,
            "outputTokens": out,
            "cacheReadInputTokens": read,
            "cacheCreationInputTokens": write,
        }
    }


BIG = {"m[1m]": {"inputTokens": 100, "outputTokens": 700}}


# events of claude, then calls, tokens, exactness
@pytest.mark.parametrize(
    ("events", "calls", "total", "exactness"),
    [
        # one message, written while it grows
        ((said(9), said(9), said(159)), 1, 319, Exactness.PARTIAL),
        # and once more, later
        ((said(159), said(7, message="B"), said(9)), 2, 319 + 167, Exactness.PARTIAL),
        # the same id in another session is another call
        ((said(159), said(159, session="t")), 2, 638, Exactness.PARTIAL),
        # what the program wrote itself
        (
            (
                said(159),
                {
                    "type": "assistant",
                    "session_id": "s",
                    "message": {
                        "id": "x",
                        "model": "<synthetic>",
                        "usage": claude_usage(0, 0, 0, 0),
                    },
                },
                result(modelUsage=model_usage()),
            ),
            1,
            319,
            Exactness.EXACT,
        ),
        # the result of a session twice
        (
            (said(1), result(modelUsage=model_usage()), result(modelUsage=model_usage())),
            1,
            319,
            Exactness.EXACT,
        ),
        # two sessions with a result each
        (
            (
                said(159),
                result(modelUsage=model_usage()),
                said(159, session="t"),
                result("t", modelUsage=model_usage()),
            ),
            2,
            638,
            Exactness.EXACT,
        ),
        # the second was cut off
        (
            (said(159), result(modelUsage=model_usage()), said(1, session="t")),
            2,
            480,
            Exactness.PARTIAL,
        ),
        # it went on after its result
        ((result(modelUsage=model_usage()), said(3, message="B")), 1, 319, Exactness.PARTIAL),
        # no report per model: what was seen, and what the session's own sum has beyond it
        ((said(9), result(usage=claude_usage(out=159))), 2, 319, Exactness.PARTIAL),
        ((said(159), result(modelUsage={})), 1, 319, Exactness.PARTIAL),
        # two context sizes of one model, reported twice
        ((result(modelUsage=model_usage() | BIG),) * 2, 1, 1119, Exactness.EXACT),
        ((said(159), result()), 1, 319, Exactness.PARTIAL),
        # nothing was asked: not logged in
        ((result(modelUsage={}, usage=NO_TOKENS),), 0, 0, Exactness.EXACT),
        ((result(),), 0, None, Exactness.UNKNOWN),
        ((result(usage=NO_TOKENS),), 0, None, Exactness.UNKNOWN),
        # the report calls the model by its full name
        (
            (said(159, model="m-alias"), result(modelUsage=model_usage())),
            1,
            319,
            Exactness.EXACT,
        ),
    ],
)
def test_claude(events: Any, calls: int, total: int | None, exactness: Exactness) -> None:
    usage = parse("claude-code", lines(*events))

    assert (len(usage.calls), usage.total.total, usage.exactness) == (calls, total, exactness)


def test_claudes_placeholder_gives_way_to_what_came_out() -> None:
    start = {"id": "A", "model": "m", "usage": claude_usage(out=4)}
    events = (
        {"type": "stream_event", "event": {"type": "message_start", "message": start}},
        {"type": "stream_event", "event": {"type": "message_delta", "usage": {"output_tokens": 2}}},
        result(modelUsage=model_usage(out=2)),
    )

    usage = parse("claude-code", lines(*events))

    assert (usage.total.output, usage.exactness) == (2, Exactness.EXACT)


def test_claudes_cache_for_an_hour_is_told_apart() -> None:
    lasting = claude_usage() | {"cache_creation": {"ephemeral_1h_input_tokens": 70}}
    message = {"id": "A", "model": "m", "usage": lasting}
    events = [{"type": "assistant", "message": message, "session_id": "s"}]

    alone = parse("claude-code", lines(*events))
    summed = parse("claude-code", lines(result(usage=lasting, modelUsage=model_usage())))

    assert [call.cache_write_1h for call in (*alone.calls, *summed.calls)] == [70, 70]


def step(kind: str, **part: Any) -> Any:
    return {"type": kind, "part": {"id": "p1", **part}}


FINISH = step("step_finish", reason="stop", tokens={"input": 10, "output": 5, "reasoning": 0})


@pytest.mark.parametrize(
    ("events", "total", "exactness"),
    [
        ((step("step_start"), FINISH, FINISH), 15, Exactness.EXACT),
        # inside a tool: the answer that called it is not told
        (
            (step("step_start"), {"type": "tool_use", "part": {"tool": "bash"}}),
            None,
            Exactness.UNKNOWN,
        ),
        # an agent of its own, whose calls are only in its database
        (
            (step("step_start"), {"type": "tool_use", "part": {"tool": "task"}}, FINISH),
            15,
            Exactness.PARTIAL,
        ),
        ((step("step_start"), step("step_finish", reason="stop")), None, Exactness.UNKNOWN),
    ],
)
def test_opencode(events: Any, total: int | None, exactness: Exactness) -> None:
    usage = parse("opencode", lines(*events))

    assert (usage.total.total, usage.exactness) == (total, exactness)


def answer(reason: str = "stop", at: int = 1, **usage: Any) -> Any:
    message = {"role": "assistant", "stopReason": reason, "timestamp": at, "usage": usage}
    return {"type": "message", "message": message}


@pytest.mark.parametrize(
    ("events", "total", "exactness"),
    [
        ((answer(input=10, output=5), answer(input=10, output=5)), 15, Exactness.EXACT),
        ((answer("toolUse", input=10, output=5),), 15, Exactness.PARTIAL),
        ((answer(),), None, Exactness.UNKNOWN),
        # broke off, then went on: what the first one cost is not told
        ((answer("error"), answer(at=2, input=10, output=5)), 15, Exactness.PARTIAL),
    ],
)
def test_pi(events: Any, total: int | None, exactness: Exactness) -> None:
    usage = parse("pi", lines(*events))

    assert (usage.total.total, usage.exactness) == (total, exactness)


def one(**figures: Any) -> Any:
    return {"model": "m"} | figures


@pytest.mark.parametrize(
    ("events", "total", "exactness"),
    [
        ((one(input=10, output=5),), 15, Exactness.EXACT),
        ((one(input=10, cache_read=3, cache_write=2, output=5, reasoning=4),), 20, Exactness.EXACT),
        ((one(total=9), one(input=1, output=1)), 11, Exactness.EXACT),
        ((one(input=1, output=1, id="x"),) * 2, 4, Exactness.EXACT),  # two calls, each has a line
        ((one(input=1, output=1), {"calls": 1}), 2, Exactness.EXACT),
        ((one(input=1, output=1), {"calls": 2}), 2, Exactness.PARTIAL),
        (({"calls": 0},), 0, Exactness.EXACT),
        ((one(input=1, output=1), {"calls": 2.0}), 2, Exactness.PARTIAL),
        ((one(input=1, output=1), {"calls": "2"}), 2, Exactness.PARTIAL),
        ((one(input=1, output=1), {"calls": "1"}, {"calls": "all"}), 2, Exactness.EXACT),
        ((one(input=1, output=1), {"calls": 1.5}), 2, Exactness.PARTIAL),  # no count
        ((one(output=5),), 5, Exactness.PARTIAL),  # what went in is not said
        ((one(input=5),), 5, Exactness.PARTIAL),
        ((one(input=5, output=2, reasoning=3),), 7, Exactness.PARTIAL),  # more than the whole
        ((one(input=5, output=2, total=7),), 7, Exactness.EXACT),
        ((one(input=5, output=2, total=9),), 9, Exactness.PARTIAL),  # what is in no part of it
        ((one(input=1, output=1), {"calls": True}), 2, Exactness.EXACT),  # no number
        ((one(total=-1),), None, Exactness.UNKNOWN),
        (({"input": "what was typed", "output": "what came"},), None, Exactness.UNKNOWN),
        (({"error": "not logged in"},), None, Exactness.UNKNOWN),
        (({"model": 5, "input": 1, "output": 1},), None, Exactness.UNKNOWN),
    ],
)
def test_neutral(events: Any, total: int | None, exactness: Exactness) -> None:
    usage = parse("neutral", lines(*events))

    assert (usage.total.total, usage.exactness) == (total, exactness)


def test_the_provider_of_a_neutral_line_is_told_by_its_model() -> None:
    events = (one(total=1), {"model": "claude-x", "total": 1}, one(provider="groq", total=1))

    calls = parse("neutral", lines(*events), provider="openai", model="m").calls

    assert [call.provider for call in calls] == ["openai", "anthropic", "groq"]


def test_a_neutral_error_stands_until_the_next_call() -> None:
    refused = {"error": "slow down", "status": 429, "retry_after": 30}

    ended = parse("neutral", lines(one(total=1), refused))
    recovered = parse("neutral", lines(refused, one(total=1)))

    assert (ended.error, ended.http_status, ended.retry_after) == ("slow down", 429, 30)
    assert (recovered.error, recovered.http_status) == (None, None)


def _with(format_name: str, figure: object) -> bytes:
    """A whole output of the format in which one figure of several is ``figure``."""
    events: dict[str, tuple[Any, ...]] = {
        "claude-code": (result(modelUsage=model_usage(new=figure)),),
        "codex": (
            {"type": "turn.completed", "usage": {"input_tokens": figure, "output_tokens": 7}},
        ),
        "opencode": (
            step("step_finish", reason="stop", tokens={"input": figure, "output": 7, "cache": {}}),
        ),
        "pi": (answer(input=figure, output=7),),
        "neutral": ({"model": "m", "input": figure, "output": 7},),
        "gemini": (
            {"type": "gemini", "id": "a", "model": "m", "tokens": {"input": figure, "output": 7}},
        ),
        "qwen": (
            {
                "type": "assistant",
                "message": {
                    "id": "a",
                    "model": "m",
                    "usage": {"input_tokens": figure, "output_tokens": 7},
                },
            },
        ),
        "mini-swe-agent": (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "extra": {
                            "response": {
                                "id": "a",
                                "model": "m",
                                "usage": {"prompt_tokens": figure, "completion_tokens": 7},
                            }
                        },
                    }
                ]
            },
        ),
        "aider": (
            {"event": "message_send_starting", "properties": {}},
            {
                "event": "message_send",
                "properties": {"prompt_tokens": figure, "completion_tokens": 7},
            },
            {"event": "exit", "properties": {}},
        ),
    }
    return lines(*events[format_name])


IMPOSSIBLE = (
    float("nan"),
    float("inf"),
    -1,
    1.5,
    True,
    "12",
    [],
    {},
    MOST_TOKENS + 1,
    92233720368547760001,
    1e300,
    10**4000,
)


@pytest.mark.parametrize("format_name", formats())
@pytest.mark.parametrize("figure", IMPOSSIBLE, ids=lambda figure: str(figure)[:12])
def test_what_cannot_be_true_is_unknown(format_name: str, figure: object) -> None:
    usage = parse(format_name, _with(format_name, figure))

    assert usage.exactness is Exactness.PARTIAL
    assert 0 < (usage.total.total or 0) < MOST_TOKENS
    assert usage.total.input is None


@pytest.mark.parametrize("format_name", formats())
def test_an_integer_of_any_length_raises_nothing(format_name: str) -> None:
    whole = _with(format_name, 123456).replace(b"123456", b"9" * 5000)

    assert parse(format_name, whole).exactness is Exactness.UNKNOWN


@pytest.mark.parametrize(
    ("format_name", "file"),
    [
        ("claude-code", "claude.ok.stdout"),
        ("claude-code", "claude.partial.ok.stdout"),
        ("claude-code", "claude.e400.stdout"),
        ("codex", "codex.ok.stdout"),
        ("codex", "codex.ok.rollout.jsonl"),
        ("codex", "codex.e400.stdout"),
        ("opencode", "opencode.ok.stdout"),
        ("opencode", "opencode.e400.stdout"),
        ("pi", "pi.ok.session.jsonl"),
        ("pi", "pi.ok.stdout"),
    ],
)
def test_a_cut_is_never_more_exact_than_what_was_told(format_name: str, file: str) -> None:
    whole, before = (DATA / file).read_bytes(), 0
    complete = parse(format_name, whole)
    after_lines = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    some = {*range(0, len(whole), max(len(whole) // 150, 1)), len(whole)}
    for end in sorted({*some, *after_lines[:: max(len(after_lines) // 60, 1)]}):
        usage = parse(format_name, whole[:end])
        total = usage.total.total or 0
        assert total >= before, f"fewer tokens at byte {end}"
        if usage.exactness is Exactness.EXACT:
            assert usage.total == complete.total, f"exact too early, at byte {end}"
        before = total


@pytest.mark.parametrize("format_name", ["opencode", "pi"])
def test_a_line_that_cannot_be_read_is_not_passed_over(format_name: str) -> None:
    file = {"opencode": "opencode.ok.stdout", "pi": "pi.ok.session.jsonl"}[format_name]
    marker = {"opencode": b'"step_finish"', "pi": b'"role":"assistant"'}[format_name]
    whole = (DATA / file).read_bytes().splitlines(keepends=True)
    at = next(number for number, line in enumerate(whole) if marker in line)
    whole[at] = whole[at][:-20] + b"\n"
    assert parse(format_name, b"".join(whole)).exactness is Exactness.PARTIAL


@pytest.mark.parametrize("figures", [{"input": 10, "output": 5}, {"total": 15}])
def test_a_neutral_line_cut_off_anywhere_is_missed(figures: Any) -> None:
    first, second = lines(one(**figures)), lines(one(**figures))[:-1]
    for end in range(1, len(second)):
        usage = parse("neutral", first + second[:end])
        assert (usage.total.total, usage.exactness) == (15, Exactness.PARTIAL), second[:end]
    for whole in (second, b"done"):  # a line break at the end is not missed
        assert parse("neutral", first + whole).exactness is Exactness.EXACT
