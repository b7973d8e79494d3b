"""The usage parsers, on captured output of the real programs."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from autopack.agents.usage_formats import formats, parse
from autopack.agents.usage_reading import Sums
from autopack.model.calls import (
    Exactness,
)
from autopack.model.errors import NotFound

DATA = Path(__file__).parents[2] / "data" / "agents"
ZERO = Sums(0, 0, 0, 0, 0, 0)
NOTHING = Sums(None)


@pytest.mark.parametrize(
    ("format_name", "files", "calls", "total", "exactness"),
    [
        # modelUsage, since the stream has placeholders of one output token
        (
            "claude-code",
            ["claude.ok.stdout"],
            1,
            Sums(12972, 10044, 2000, 800, 128),
            Exactness.EXACT,
        ),
        # partial messages: every call with its id
        (
            "claude-code",
            ["claude.partial.ok.stdout"],
            4,
            Sums(12572, 10044, 2000, 400, 128),
            Exactness.EXACT,
        ),
        # refused before anything was spent
        ("claude-code", ["claude.e400.stdout"], 0, ZERO, Exactness.EXACT),
        # turn.completed: one sum, its input includes cache
        ("codex", ["codex.ok.stdout"], 1, Sums(10172, 8044, 2000, 0, 128, 20), Exactness.EXACT),
        # the rollout file: every call
        (
            "codex",
            ["codex.ok.rollout.jsonl"],
            4,
            Sums(12572, 10044, 2000, 400, 128, 20),
            Exactness.EXACT,
        ),
        # both: the sum on stdout is not counted again
        (
            "codex",
            ["codex.ok.rollout.stdout", "codex.ok.rollout.jsonl"],
            4,
            Sums(12572, 10044, 2000, 400, 128, 20),
            Exactness.EXACT,
        ),
        # stdout says nothing of what was spent before a failure or a kill
        ("codex", ["codex.e400.stdout"], 0, NOTHING, Exactness.UNKNOWN),
        ("codex", ["codex.hang.sigterm.stdout"], 0, NOTHING, Exactness.UNKNOWN),
        # output excludes reasoning, which is added
        (
            "opencode",
            ["opencode.ok.stdout"],
            4,
            Sums(14212, 12044, 2000, 0, 168, 20),
            Exactness.EXACT,
        ),
        ("opencode", ["opencode.e400.stdout"], 0, ZERO, Exactness.EXACT),
        # both of pi's formats
        ("pi", ["pi.ok.stdout"], 4, Sums(10172, 8044, 2000, 0, 128), Exactness.EXACT),
        ("pi", ["pi.ok.session.jsonl"], 4, Sums(12572, 10444, 1600, 400, 128), Exactness.EXACT),
        # the session has each call, stdout the sums, with thoughts in the total alone
        (
            "gemini",
            ["gemini.ok.session.jsonl"],
            4,
            Sums(12172, 10044, 2000, 0, 128, 10),
            Exactness.PARTIAL,
        ),
        ("gemini", ["gemini.ok.stdout"], 1, Sums(12172, 10044, 2000, 0, 128), Exactness.EXACT),
        (
            "gemini",
            ["gemini.ok.stdout", "gemini.ok.session.jsonl"],
            4,
            Sums(12172, 10044, 2000, 0, 128, 10),
            Exactness.EXACT,
        ),
        ("gemini", ["gemini.e401.stdout"], 0, ZERO, Exactness.EXACT),
        # input includes cache; the sum at the end is not counted again
        ("qwen", ["qwen.ok.stdout"], 4, Sums(12172, 10044, 2000, 0, 128), Exactness.EXACT),
        ("qwen", ["qwen.e401.stdout"], 0, ZERO, Exactness.EXACT),
        # what a cache gave is part of what went in: only the total is known
        ("aider", ["aider.ok.jsonl"], 1, Sums(1558), Exactness.EXACT),
        ("aider", ["aider.e401.jsonl", "aider.e401.stdout"], 0, ZERO, Exactness.EXACT),
        # a call that was asked for and neither answered nor refused
        ("aider", ["aider.e401.jsonl"], 0, NOTHING, Exactness.UNKNOWN),
        # one JSON value over many lines
        (
            "mini-swe-agent",
            ["mini-swe-agent.ok.trajectory.json"],
            4,
            Sums(12172, 10044, 2000, 0, 128, 10),
            Exactness.EXACT,
        ),
        # not this format's output at all
        ("pi", ["codex.ok.stderr"], 0, NOTHING, Exactness.UNKNOWN),
        ("codex", ["codex.e400.stderr"], 0, NOTHING, Exactness.UNKNOWN),
    ],
)
def test_captured_output(
    format_name: str, files: list[str], calls: int, total: Sums, exactness: Exactness
) -> None:
    usage = parse(format_name, [DATA / name for name in files])

    assert (len(usage.calls), usage.total, usage.exactness) == (calls, total, exactness)


@pytest.mark.parametrize(
    ("format_name", "file", "cut_before", "calls", "total"),
    [
        # in the third answer: what went in is known, what came out is a placeholder of 1
        ("claude-code", "claude.partial.ok.stdout", "I run the tests", 3, 1728 + 2738 + 3512),
        # the report of the third call is cut off
        ("codex", "codex.ok.rollout.jsonl", "resp-7", 2, 1728 + 2738),
        ("opencode", "opencode.ok.stdout", '"total":4058', 2, 2038 + 3048),
        ("pi", "pi.ok.session.jsonl", "resp-15", 2, 1728 + 2738),
    ],
)
def test_killed_in_the_middle_keeps_what_was_spent(
    format_name: str, file: str, cut_before: str, calls: int, total: int
) -> None:
    whole = (DATA / file).read_bytes()

    usage = parse(format_name, whole[: whole.index(cut_before.encode())])

    assert (len(usage.calls), usage.total.total) == (calls, total)
    assert usage.exactness is Exactness.PARTIAL


@pytest.mark.parametrize(
    ("format_name", "file"),
    [
        ("claude-code", "claude.partial.ok.stdout"),
        ("codex", "codex.ok.rollout.jsonl"),
        ("opencode", "opencode.ok.stdout"),
        ("pi", "pi.ok.session.jsonl"),
    ],
)
def test_a_cut_at_any_place_never_raises_nor_counts_more(format_name: str, file: str) -> None:
    whole = (DATA / file).read_bytes()
    spent = parse(format_name, whole).total.total or 0

    for end in range(0, len(whole), 97):
        assert (parse(format_name, whole[:end]).total.total or 0) <= spent


@pytest.mark.parametrize("format_name", formats())
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\xfe\x00 not text\n",
        b"warning: a line of the program's own\n",
        b'{"type":"result","usage":null,"modelUsage":[1,2]}\n',
        b'{"type":"result","modelUsage":{"m":{"inputTokens":"many","outputTokens":-5}},"usage":1}\n',
        b'{"type":"assistant","message":{"usage":[]}}\n{"type":"stream_event","event":7,"usage":1}\n',
        b'{"type":"token_usage_record","payload":{"usage":{"input_tokens":true}}}\n',
        b'{"type":"step_finish","part":{"tokens":"none"}}\n{"type":"error","error":"text"}\n',
        b'{"type":"message_end","message":[]}\n{"type":"message","message":{"role":"assistant"}}\n',
        b'{"type":"turn.failed","error":{"message":"[1]"}}\n',
        b"[" * 100_000 + b'"usage" "error" "step_finish"\n',
        b'["usage", "error"]\n"usage"\n',
    ],
)
def test_garbage_counts_nothing(format_name: str, garbage: bytes) -> None:
    assert not parse(format_name, garbage).total.total


@pytest.mark.parametrize(
    ("format_name", "file"),
    [
        ("claude-code", "claude.partial.ok.stdout"),
        ("codex", "codex.ok.rollout.jsonl"),
        ("opencode", "opencode.ok.stdout"),
        ("pi", "pi.ok.session.jsonl"),
    ],
)
def test_other_output_between_the_lines_changes_nothing(format_name: str, file: str) -> None:
    lines = (DATA / file).read_bytes().splitlines(keepends=True)
    mixed = b"".join(b'warning: "usage" {\n' + line + b"{broken \xff\n" for line in lines)

    assert parse(format_name, mixed) == parse(format_name, b"".join(lines))


def test_a_huge_line_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b'{"usage":"' + b"x" * (1 << 20))
        file.write(b'"}\n')
        file.write((DATA / "claude.partial.ok.stdout").read_bytes())

    tracemalloc.start()
    usage = parse("claude-code", path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert usage.total.total == 12572
    assert peak < 24 * (1 << 20)


def _claude(result: dict[str, object]) -> bytes:
    """The captured stream with another report at its end."""
    lines = (DATA / "claude.partial.ok.stdout").read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1]) | result
    return b"".join(lines[:-1]) + json.dumps(last).encode()


def _reported(tokens_in: int, tokens_out: int) -> dict[str, int]:
    return {
        "inputTokens": tokens_in,
        "outputTokens": tokens_out,
        "cacheReadInputTokens": 2000,
        "cacheCreationInputTokens": 400,
    }


def test_claudes_hidden_calls_are_counted_beside_those_seen() -> None:
    small = {"inputTokens": 900, "outputTokens": 9}
    report = {"fake-model[1m]": _reported(10_044 + 500, 128 + 5), "small": small}

    usage = parse("claude-code", _claude({"modelUsage": report}))

    assert [(call.model, call.total, call.response_id) for call in usage.calls[4:]] == [
        ("fake-model", 505, None),
        ("small", 909, None),
    ]
    assert usage.total.total == 12572 + 505 + 909


def test_claudes_report_below_the_stream_takes_nothing_away_and_is_not_exact() -> None:
    usage = parse("claude-code", _claude({"modelUsage": {"fake-model": _reported(5, 128)}}))

    assert usage.total == Sums(12572, 10044, 2000, 400, 128)
    assert usage.exactness is Exactness.PARTIAL


def test_claude_at_its_turn_limit_has_worked() -> None:
    end: dict[str, object] = {"subtype": "error_max_turns", "is_error": True, "result": None}

    usage = parse("claude-code", _claude(end))

    assert (usage.said, usage.error) == ("error_max_turns", None)


def test_claudes_agents_of_its_own_are_known_in_part_until_the_report() -> None:
    event = {
        "type": "assistant",
        "parent_tool_use_id": "toolu_1",
        "message": {"id": "m", "model": "small", "usage": {"input_tokens": 70, "output_tokens": 1}},
    }

    usage = parse("claude-code", json.dumps(event).encode())

    assert [(call.total, call.exactness) for call in usage.calls] == [(71, Exactness.PARTIAL)]


def test_calls_with_a_repeated_response_id_all_count() -> None:
    whole = (DATA / "claude.partial.ok.stdout").read_text(encoding="utf-8")
    until_report = whole[: whole.index('{"type":"result"')]
    same = until_report.replace("resp-2", "resp-1").replace("resp-3", "resp-1")

    assert len(parse("claude-code", same.encode()).calls) == 4


def test_codex_counts_what_stdout_reports_beyond_the_records() -> None:
    rollout = (DATA / "codex.ok.rollout.jsonl").read_text(encoding="utf-8").splitlines(True)
    one_missing = "".join(line for line in rollout if '"response_id":"resp-6"' not in line)
    stdout = (DATA / "codex.ok.rollout.stdout").read_text(encoding="utf-8")

    usage = parse("codex", (stdout + one_missing).encode())

    assert (len(usage.calls), usage.total.total) == (4, 12572)


def test_codex_counts_the_record_that_a_fork_repeats_once() -> None:
    rollout = DATA / "codex.ok.rollout.jsonl"

    assert parse("codex", [rollout, rollout]).total.total == 12572


def test_codex_records_name_their_model() -> None:
    usage = parse("codex", DATA / "codex.ok.rollout.jsonl")

    assert {(call.provider, call.model) for call in usage.calls} == {("openai", "fake-model")}


def test_pi_counts_an_answer_once_when_both_formats_are_read() -> None:
    stdout = DATA / "pi.ok.stdout"

    assert parse("pi", [stdout, stdout]).total.total == 10172


@pytest.mark.parametrize(
    ("format_name", "file", "said"),
    [
        ("claude-code", "claude.ok.stdout", "Fixed add() in calc.py: it now returns a + b."),
        ("codex", "codex.ok.stdout", "Fixed add() in calc.py: it now returns a + b."),
        ("opencode", "opencode.ok.stdout", "Fixed add() in calc.py: it now returns a + b."),
        ("pi", "pi.ok.session.jsonl", "Repaired."),
    ],
)
def test_the_last_word(format_name: str, file: str, said: str) -> None:
    usage = parse(format_name, DATA / file)

    assert (usage.said, usage.error) == (said, None)


@pytest.mark.parametrize(
    ("format_name", "source", "error", "status"),
    [
        (
            "claude-code",
            DATA / "claude.e400.stdout",
            "API Error: 400 scripted invalid_request_error",
            400,
        ),
        ("codex", DATA / "codex.e400.stdout", "scripted invalid_request_error", 400),
        (
            "codex",
            b'{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429"}}',
            "exceeded retry limit, last status: 429",
            429,
        ),
        ("opencode", DATA / "opencode.e400.stdout", "scripted invalid_request_error", 400),
        (
            "pi",
            b'{"type":"message","message":{"role":"assistant","stopReason":"error",'
            b'"errorMessage":"401 bad key"}}',
            "401 bad key",
            401,
        ),
    ],
)
def test_the_provider_error_behind_a_failure(
    format_name: str, source: Path | bytes, error: str, status: int
) -> None:
    usage = parse(format_name, source)

    assert (usage.said, usage.error, usage.http_status) == (None, error, status)


def test_json_is_that_of_usage_parse() -> None:
    value = parse("opencode", DATA / "opencode.ok.stdout", provider="p", model="m").as_json()

    assert list(value) == ["calls", "total", "exactness"]
    assert value["calls"][0]["provider"] == "p"
    assert value["total"]["reasoning"] == 20
    assert json.loads(json.dumps(value))["exactness"] == "exact"


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="claude") as refused:
        parse("claude", b"")

    assert refused.value.hint == "did you mean claude-code?"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        parse("pi", tmp_path / "absent")
