"""Texts of one failure have one signature, whatever changes from run to run."""

from __future__ import annotations

import time

import pytest
from support.failure_texts import failures, grouping_accuracy

from autopack.repair.signatures.signature import sign
from autopack.repair.signatures.telling import Rank, telling

SAME = {
    "path": ("open /tmp/a/b.txt failed", "open /var/lib/x.log failed"),
    "line and column": ("a.py:3:14: bad indent", "b/c.py:100:2: bad indent"),
    "hex": ("fault at 0xdeadbeef", "fault at 0x7f00"),
    "hash": ("at commit 3f786850e387550f", "at commit 89e6c98d92887913"),
    "uuid": (
        "job 9b2e5f00-1c1d-4a6a-9d3b-0123456789ab died",
        "job 00000000-aaaa-4a6a-9d3b-0123456789ab died",
    ),
    "duration": ("gave up after 3.5s", "gave up after 1m20s"),
    "temporary folder": ("in /tmp/pytest-of-ci/pytest-3", "in /tmp/tmpab12cd"),
    "port": ("cannot bind localhost:8080", "cannot bind 127.0.0.1:9"),
    "version": ("needs left-pad@1.2.3", "needs @acme/ui@^2.0.0-rc.1"),
    "parameters of a test": (
        "FAILED t/a.py::test_x[1-a b] - KeyError: 'k'",
        "FAILED t/a.py::test_x - KeyError: 'other'",
    ),
    "escape codes": ("\x1b[31mboom\x1b[0m happened", "boom happened"),
    "time": ("2026-01-31T10:00:00Z boom", "2025-12-01 23:59:59,123 boom"),
    "plural": ("1 test failed", "12 tests failed"),
    "ends of lines": ("a: error: broken\r\nmore", "a: error: broken\nmore"),
}
OTHER = {
    "error code": ("a.ts(1,2): error TS2322: no", "a.ts(1,2): error TS2304: no"),
    "errno": ("OSError: [Errno 2] x: 'a'", "OSError: [Errno 13] x: 'a'"),
    "signal": ("exit code 137", "exit code 139"),
    "exception": ("KeyError: 'a'", "IndexError: 'a'"),
    "message in quotes": (
        'level=error msg="failed to open the file"',
        'level=error msg="the disk is full and not usable"',
    ),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_what_varies_is_no_part_of_a_signature(pair: tuple[str, str]) -> None:
    one, other = pair
    assert sign(one).normalised == sign(other).normalised
    assert sign(one).signature == sign(other).signature


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_what_tells_failures_apart_is(pair: tuple[str, str]) -> None:
    one, other = pair
    assert sign(one).signature != sign(other).signature


def test_the_labelled_failures_are_grouped_by_kind() -> None:
    texts = failures()
    assert len(texts) >= 400
    assert len({each.kind for each in texts}) >= 40
    found = [sign(each.text).signature for each in texts]
    assert grouping_accuracy(found, [each.kind for each in texts]) >= 0.95


def test_other_names_and_numbers_make_no_other_groups() -> None:
    texts = failures(of_each=6, seed=4242)
    found = [sign(each.text).signature for each in texts]
    assert grouping_accuracy(found, [each.kind for each in texts]) >= 0.95


def test_of_many_lines_the_first_finding_tells() -> None:
    told = telling("collected 3 items\nE   KeyError: 'a'\nE   ValueError: late\n3 failed")
    assert told.line == "E KeyError: 'a'"
    assert told.rank is Rank.STRUCTURED


def test_a_line_that_passes_tells_nothing() -> None:
    assert telling("test_error_is_raised ... ok\nconnection refused\n").line == "connection refused"


@pytest.mark.parametrize("text", ["", "\n\n", "   ", "\x00", "\ud800", "<*>", "{{ x }} \\N{x} '''"])
def test_any_text_has_a_signature(text: str) -> None:
    assert len(sign(text).signature) == 64


HOSTILE = (
    "'",
    '"',
    "/a",
    "1",
    "a.",
    "a_1",
    "af1",
    "a:",
    "E  x\n",
    " ",
    "a@",
    "<*>",
    "f(",
    "x=",
    "\n",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    sign(text)
    assert time.process_time() - started < 2
