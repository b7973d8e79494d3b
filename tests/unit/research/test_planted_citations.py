"""Of planted citations exactly the right ones pass: a table, a row for each way to be wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from autopack.research.evidence import Evidence, sha256_of
from autopack.research.rejection import Reason
from autopack.research.validate import rejections, rejections_of_all

COMMIT, BLOB = "c" * 40, "b" * 40
CODE = f"git:{COMMIT}:src/retry.py@{BLOB}"
DOCS = f"git:{COMMIT}:docs/retry.md@{BLOB}"
WHEEL = "dist:humanize==4.9.0:humanize-4.9.0.dist-info/METADATA"

SOURCES = {
    CODE: (
        b"def delays(times=3):\n"
        b"    # Strict mode stops at the first failure.\n"
        b"    for number in range(times):\n"
        b"        yield 0.5 * 2**number\n"
        b"\n"
        b"def other():\n"
        b"    return delays(times=5)\n"
        b"\n"
        b"def another():\n"
        b"    return delays(times=5)\n"
    ),
    DOCS: (
        "# Retries\n\n"
        "Strict mode stops\u00a0at the first failure; \u201crelaxed\u201d mode goes through all 7 "
        "steps.\n"
        "Unsupported on Windows since version 2.10. It waits 1,000 ms between calls, -5 at most.\n"
        "The caf\u00e9 example is \ufb01nished. Strict mode is the default.\n"
        "The same sentence stands here twice. The same sentence stands here twice.\n"
        "Such a call you can\u2019t repeat: it is no thread-safe one. About 50% begin at 10:30.\n"
    ).encode(),
    WHEEL: b"Name: humanize\nVersion: 4.9.0\nRequires-Python: >=3.8\n\nNumbers for people.\n",
}


def quoted(claim: str, locator: str, quote: str, original: str = "", **changed: Any) -> Evidence:
    """A record whose hashes fit, and its offsets: those of the quote, or of what it is there."""
    content, stands = SOURCES.get(locator, b""), (original or quote).encode()
    at = content.find(stands)
    record = {
        "claim": claim,
        "kind": "quoted",
        "source_id": "repository",
        "locator": locator,
        "quote": quote,
        "start": max(at, 0),
        "end": max(at, 0) + len(stands),
        "source_sha256": sha256_of(content),
        "quote_sha256": sha256_of(quote),
        "retrieved_at": datetime(2026, 1, 1, tzinfo=UTC),
        "tool": "repository",
        "query": "strict mode",
    }
    return Evidence.model_validate(record | changed)


def derived(claim: str, *follows_from: int) -> Evidence:
    return Evidence.model_validate(
        {"claim": claim, "kind": "derived", "follows_from": follows_from}
    )


STRICT = "Strict mode stops at the first failure"
STANDS = "Strict mode stops\u00a0at the first failure"
RIGHT = [
    # As it stands there, and as the offsets say.
    quoted("Strict mode is used unless told", DOCS, "Strict mode is the default."),
    # White space and quotation marks are folded, the offsets are the original's.
    quoted("It stops early", DOCS, STRICT, STANDS),
    quoted("There are modes", DOCS, '"relaxed" mode goes', "\u201crelaxed\u201d mode goes"),
    # NFKC: a ligature, and an accent apart from its letter.
    quoted(
        "An example is there",
        DOCS,
        "The cafe\u0301 example is finished",
        "The caf\u00e9 example is \ufb01nished",
    ),
    # Numbers that the quotation has, also where they are written otherwise.
    quoted("It waits 1000 ms", DOCS, "It waits 1,000 ms between calls"),
    quoted("All seven steps are gone through", DOCS, "goes through all 7 steps"),
    quoted("Windows is unsupported since 2.10", DOCS, "Unsupported on Windows since version 2.10"),
    # Code by whole lines, with the white space before them or without.
    quoted("Three by default", CODE, "def delays(times=3):"),
    quoted("Waits grow", CODE, "    for number in range(times):\n        yield 0.5 * 2**number\n"),
    quoted("Waits grow", CODE, "yield 0.5 * 2**number"),
    # What stands there twice is chosen by its offsets.
    quoted("It is said again", DOCS, "The same sentence stands here twice."),
    # Other sources.
    quoted("It needs Python 3.8", WHEEL, "Requires-Python: >=3.8", source_id="installed"),
    # Nothing of it is there: the nearest text, and the query.
    quoted("There is no jitter", CODE, "yield 0.5 * 2**number", absence=True, query="jitter"),
    quoted("4 retries are not the default", CODE, "def delays(times=3):", absence=True, query="=4"),
    # Numbers in words, whole words up to the end.
    quoted("It waits a thousand ms", DOCS, "It waits 1,000 ms between calls"),
    quoted("It goes through seven", DOCS, "mode goes through all 7 steps."),
    quoted("It is not", DOCS, "Such a call you can\u2019t repeat"),
    quoted("Some begin then", DOCS, "About 50% begin at 10:30"),
    # No quotation is needed where none is claimed.
    Evidence(claim="Users like it", kind="unverified"),  # pyright: ignore[reportArgumentType]
]
WRONG = [
    # Altered by one word, or by less.
    (quoted("It stops", DOCS, "Relaxed mode stops at the first failure", STANDS), "not_found"),
    (quoted("It stops", DOCS, "Strict mode stops at the last failure", STANDS), "not_found"),
    (quoted("A claim", WHEEL, "Numbers for peoples."), "not_found"),
    (quoted("A claim", CODE, "def delays(times=4):"), "not_found"),
    (quoted("Any case", DOCS, "strict mode is the default."), "not_found"),
    # A part of a word or a number says something else.
    (quoted("It is fine", DOCS, "supported on Windows since version"), "not_whole_words"),
    (quoted("It is old", DOCS, "Unsupported on Windows since version 2"), "not_whole_words"),
    (quoted("It waits", DOCS, "000 ms between calls"), "not_whole_words"),
    (quoted("It can be", DOCS, "Such a call you can"), "not_whole_words"),
    (quoted("It is", DOCS, "repeat: it is no thread"), "not_whole_words"),
    (quoted("It is safe", DOCS, "safe one. About 50%"), "not_whole_words"),
    (quoted("It is 50", DOCS, "thread-safe one. About 50"), "not_whole_words"),
    (quoted("At 10", DOCS, "About 50% begin at 10"), "not_whole_words"),
    # Offsets of another place.
    (quoted("It stops", DOCS, STRICT, STANDS[1:]), "wrong_offset"),
    (quoted("It stops", DOCS, "Strict mode is the default.", start=0, end=27), "wrong_offset"),
    (quoted("It stops", DOCS, STRICT, start=None, end=None), "incomplete"),
    # Another version, another content.
    (
        quoted("It needs 3.8", WHEEL.replace("4.9.0", "4.8.0"), "Requires-Python: >=3.8"),
        "no_source",
    ),
    (
        quoted("A claim", DOCS, "Strict mode is the default.", source_sha256="0" * 64),
        "other_source",
    ),
    (
        RIGHT[11].model_copy(update={"locator": WHEEL.replace("==4.9.0", "==4.8.0")}),
        "other_source",
    ),
    # No such source; no source at all.
    (quoted("A claim", f"git:{COMMIT}:docs/none.md@{BLOB}", "It is written there"), "no_source"),
    (quoted("A claim", "the manual", "It is written there"), "no_source"),
    (RIGHT[0].model_copy(update={"locator": None}), "no_source"),
    # Nothing was asked for what is said to be absent; or it is there.
    (quoted("There is no jitter", CODE, "yield 0.5 * 2**number"), "undeclared_absence"),
    (
        quoted("There is no jitter", CODE, "yield 0.5 * 2**number", absence=True, query=" "),
        "no_query",
    ),
    (
        quoted("No range is used", CODE, "def delays(times=3):", absence=True, query="Range("),
        "query_finds",
    ),
    # The number is another.
    (quoted("Five by default", CODE, "def delays(times=3):"), "number_not_quoted"),
    (quoted("Since 2.1", DOCS, "Unsupported on Windows since version 2.10"), "number_not_quoted"),
    (quoted("5 at most", DOCS, "between calls, -5 at most."), "number_not_quoted"),
    (quoted("Seventy-one steps", DOCS, "mode goes through all 7 steps."), "number_not_quoted"),
    (quoted("A hundred ms", DOCS, "It waits 1,000 ms between calls"), "number_not_quoted"),
    # Fewer than twelve characters, blanks aside.
    (quoted("A claim", DOCS, "Strict mode"), "too_short"),
    (quoted("A claim", CODE, "\n\n        \n"), "too_short"),
    # Letters that look alike, or that cannot be seen.
    (quoted("It stops", DOCS, "Strict m\u043ede is the default."), "not_found"),
    (quoted("It stops", DOCS, "Strict mode is the\u200b default."), "not_found"),
    # Joined from two places.
    (quoted("A claim", DOCS, "Strict mode stops \u2026 is the default."), "not_found"),
    (quoted("A claim", DOCS, "Strict mode stops is the default."), "not_found"),
    # Twice in the source, and nothing says which.
    (quoted("A claim", DOCS, "The same sentence stands", start=None, end=None), "ambiguous"),
    # Code in parts.
    (quoted("A claim", CODE, "for number in range"), "not_whole_lines"),
    (quoted("A claim", CODE, "Strict mode stops at the first failure."), "not_whole_lines"),
    # The record was altered after it was made.
    (RIGHT[0].model_copy(update={"quote_sha256": "0" * 64}), "hash_differs"),
    # Nothing that it follows from; a quotation that nobody checked.
    (derived("So it stops"), "follows_from_nothing"),
    (derived("So it stops", 99), "follows_from_nothing"),
    (
        Evidence.model_validate(
            {"claim": "It stops", "kind": "unverified", "quote": "Strict mode is the default."}
        ),
        "unchecked_quote",
    ),
]


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(RIGHT) + len(WRONG) >= 40


@pytest.mark.parametrize("evidence", RIGHT, ids=lambda one: f"{one.claim}-{one.quote}")
def test_right_evidence_passes(evidence: Evidence) -> None:
    assert rejections(evidence, SOURCES.get(evidence.locator or "")) == ()


@pytest.mark.parametrize(("evidence", "reason"), WRONG, ids=lambda one: str(one)[:60])
def test_wrong_evidence_is_rejected_with_its_reason(evidence: Evidence, reason: str) -> None:
    found = rejections(evidence, SOURCES.get(evidence.locator or ""), others=[evidence])
    assert Reason(reason) in {one.reason for one in found}
    assert all(one.sentence for one in found)


def test_of_all_planted_together_exactly_the_right_ones_pass() -> None:
    planted = [*RIGHT, *(evidence for evidence, _ in WRONG)]
    found = rejections_of_all(planted, lambda one: SOURCES.get(one.locator or ""))
    assert [one for one, why in zip(planted, found, strict=True) if not why] == RIGHT


def test_what_follows_from_rejected_evidence_falls_with_it() -> None:
    wrong = quoted("Five by default", CODE, "def delays(times=3):")
    records = [RIGHT[0], wrong, derived("So it is", 1), derived("So it is", 2), derived("Then", 4)]
    found = rejections_of_all(records, lambda one: SOURCES.get(one.locator or ""))
    assert [bool(why) for why in found] == [False, True, False, True, True]


@pytest.mark.parametrize(
    "records",
    [
        [derived("It follows from itself", 1)],
        [derived("Round", 2), derived("And round", 1)],
        [derived("From nothing known", 2), RIGHT[-1]],
        [derived("So there are 99", 2), RIGHT[0]],
    ],
    ids=["itself", "a circle", "unverified", "a new number"],
)
def test_derived_evidence_ends_at_quotations(records: list[Evidence]) -> None:
    assert rejections_of_all(records, lambda one: SOURCES.get(one.locator or ""))[0]
