"""The same output laid out otherwise: in colours, as an array, over several lines, two on one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from autopack.agents.laid_out import laid_out, values_of
from autopack.agents.usage_formats import parse
from autopack.agents.usage_reading import LONGEST_LINE
from autopack.model.calls import Exactness

DATA = Path(__file__).parents[2] / "data" / "agents"
CALL = b'{"model":"m","input":10,"output":%d}'

Layout = Callable[[Sequence[bytes]], bytes]


def _each(write: Callable[[bytes], bytes]) -> Layout:
    return lambda lines: b"".join(map(write, lines))


LAYOUTS: dict[str, Layout] = {
    "no last line break": b"\n".join,
    "lines of Windows": _each(lambda line: line + b"\r\n"),
    "a byte order mark": lambda lines: b"\xef\xbb\xbf" + b"\n".join(lines),
    "colours": _each(lambda line: b"\x1b[1;32m" + line + b"\x1b[0m\n"),
    "a title": _each(lambda line: b"\x1b]0;working\x07" + line + b"\n"),
    "written over a spinner": _each(lambda line: b"| 12 %\r" + line + b"\n"),
    "an erased line": _each(lambda line: b"\x1b[2K\r  " + line + b"\n"),
    "with blanks": _each(lambda line: json.dumps(json.loads(line)).encode() + b"\n"),
    "two on a line": lambda lines: b" ".join(lines) + b"\n",
    "an array": lambda lines: b"[" + b",".join(lines) + b"]\n",
    "an array over lines": lambda lines: json.dumps(
        [json.loads(line) for line in lines], indent=2
    ).encode(),
    "each over lines": _each(lambda line: json.dumps(json.loads(line), indent=4).encode() + b"\n"),
    # standard error goes to the same file, and need not end its lines
    "behind text": _each(lambda line: b"thinking..." + line + b"\n"),
    "behind a time": _each(lambda line: b"[12:00] " + line + b"\n"),
    "behind something in braces": _each(lambda line: b'{"step" 3} {x} ' + line + b"\n"),
    "behind what is no text": _each(lambda line: b"\xff\xfe " + line + b"\n"),
    "before text": _each(lambda line: line + b" done\n"),
    "before a spinner": _each(lambda line: line + b"\r100%\n"),
    "two with a spinner between": lambda lines: b"\r 50 %\r".join(lines) + b"\n",
    "two with text between": lambda lines: b" and ".join(lines) + b"\n",
    "over lines behind text": _each(
        lambda line: b"thinking..." + json.dumps(json.loads(line), indent=2).encode() + b"\n"
    ),
    "over lines before text": _each(
        lambda line: json.dumps(json.loads(line), indent=2).encode() + b"100%\n"
    ),
    "over lines, no breaks between": _each(
        lambda line: json.dumps(json.loads(line), indent=2).encode()
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("format_name", "file"),
    [
        ("claude-code", "claude.partial.ok.stdout"),
        ("codex", "codex.ok.rollout.jsonl"),
        ("opencode", "opencode.ok.stdout"),
        ("pi", "pi.ok.session.jsonl"),
        ("gemini", "gemini.ok.stdout"),
        ("qwen", "qwen.ok.stdout"),
        ("neutral", "neutral.ok.stdout"),
    ],
)
def test_a_layout_changes_nothing(format_name: str, file: str, layout: str) -> None:
    told = (DATA / file).read_bytes()
    lines = [line for line in told.splitlines() if line.startswith(b"{")]

    assert parse(format_name, LAYOUTS[layout](lines)) == parse(format_name, told)


@pytest.mark.parametrize(
    ("output", "exactness"),
    [
        # text that only looks so is no report, and what follows it counts
        (b'{\n  "error": oops\n}\n' + CALL % 1 + b"\n", Exactness.EXACT),
        (b'{\n  "begun": 1,\n' + CALL % 1 + b"\n}\n", Exactness.EXACT),
        (b"{\n{\n[\n" + CALL % 1 + b"\n", Exactness.EXACT),
        # what was to be one, and cannot be read, may have been a call
        (CALL % 1 + b'\n  {"model":"m","inp', Exactness.EXACT),  # says nothing of tokens
        (CALL % 1 + b'\n  {"model":"m","input":3,"out', Exactness.PARTIAL),
        (CALL % 1 + b'\n\x1b[31m{"model":"m","input":3,"out\x1b[0m\n', Exactness.PARTIAL),
        (CALL % 1 + b'\n[{"model":"m","input":3,"out\n', Exactness.PARTIAL),
        (CALL % 1 + b'\nthinking...{"model":"m","input":3,"out\n', Exactness.PARTIAL),
        (CALL % 1 + b'\nthinking...{"model":"m","input":3,"out\r100%\n', Exactness.PARTIAL),
        (b'{"model":"m","input":3,"out' + CALL % 1 + b"\n" + CALL % 1, Exactness.PARTIAL),
        (CALL % 1 + b'{"model":"m","input":3,"out\n', Exactness.PARTIAL),
        # of an object that is cut off no part is one
        (CALL % 1 + b'\n{"log":' + CALL % 1 + b',"input":\n', Exactness.PARTIAL),
        (CALL % 1 + b'\nlog: {"log":[' + CALL % 1 + b"\n", Exactness.PARTIAL),
        # told once on a line of its own and once in a log: one call, or two that are alike
        (CALL % 1 + b"\nINFO usage: " + CALL % 1 + b"\n", Exactness.PARTIAL),
        (b"INFO usage: " + CALL % 1 + b"\n" + CALL % 1 + b"\n", Exactness.PARTIAL),
        # words about usage
        (CALL % 1 + b'\nthe "input" {of a call} is\n', Exactness.EXACT),
        (b'see: "input" ' + CALL % 1 + b' and "output"\n', Exactness.EXACT),
        # longer than is read
        (
            CALL % 1 + b'\nlog: {"model":"m","input":3,"x":"' + b"x" * LONGEST_LINE,
            Exactness.PARTIAL,
        ),
    ],
)
def test_what_is_no_report(output: bytes, exactness: Exactness) -> None:
    usage = parse("neutral", output)

    assert (usage.total.total, usage.exactness) == (11, exactness)


def test_what_never_ends_is_not_held() -> None:
    lines = [b"[\n", *[b"  1,\n"] * 50, b"  1\n", b"]\n"]

    assert list(laid_out(lines, 1_000)) == [b"".join(lines)]
    assert list(laid_out(lines, 100)) == lines
    assert list(laid_out(lines[:-1], 1_000)) == lines[:-1]
    assert values_of(b"{}" * 500_000) is None


def test_the_one_report_of_gemini() -> None:
    tokens = {"input": 90, "prompt": 100, "candidates": 10, "cached": 10, "thoughts": 5, "tool": 2}
    stats = {"models": {"g-pro": {"api": {"totalRequests": 3}, "tokens": tokens}}}
    done = {"session_id": "s", "response": "Repaired.", "stats": stats}
    refused = {"error": {"type": "Error", "message": "quota", "code": 429}}

    usage = parse("gemini", b"Loaded credentials.\n" + json.dumps(done, indent=2).encode())
    failed = parse("gemini", json.dumps(refused, indent=2).encode())

    assert [(c.model, c.input, c.cache_read, c.output, c.reasoning) for c in usage.calls] == [
        ("g-pro", 92, 10, 15, 5)
    ]
    assert (usage.said, usage.exactness) == ("Repaired.", Exactness.EXACT)
    assert (failed.error, failed.http_status, failed.exactness) == (
        "quota", 429, Exactness.UNKNOWN,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"error": "slow down", "status": "429"}, 429),
        ({"error": {"message": "slow down", "type": "rate_limit_error"}}, None),
        ({"error": {"message": "slow down", "code": 429}}, 429),
        ({"error": {"message": "slow down", "code": "rate_limited"}, "status": 429}, 429),
    ],
)
def test_an_error_as_providers_write_it(told: dict[str, object], status: int | None) -> None:
    usage = parse("neutral", json.dumps(told).encode())

    assert (usage.error, usage.http_status) == ("slow down", status)
