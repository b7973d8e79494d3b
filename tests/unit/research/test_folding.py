"""A quotation holds exactly or not at all, and its offsets are those of the original bytes."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autopack.research.evidence import Evidence, EvidenceKind
from autopack.research.folding import Folded, fold
from autopack.research.quoting import Span, find_quote, lines_of
from autopack.research.validate import rejections, sealed

# Letters that join, ligatures, marks, look-alikes, wide ones, blanks of every kind, and bytes
# beyond the first plane.
CHARACTERS = st.one_of(
    st.sampled_from(
        "aeo\u0430\u043e AZ09.,-_\n\r\t\"'\u201c\u2019\u00ab\u00a0\u3000\u200b\u0301\u0323\u00e9"
        "\ufb01\u2026\u00b4\uff21\uff9e\u30ab\u1100\u1161\u11a8\u00bd\u212a\u2460\U0001d400\u00df"
    ),
    st.characters(exclude_categories=["Cs"]),
)
JAPANESE = "\u308c\u306f\u9577\u3044\u6587\u7ae0\u3067\u3059\u3088\u306d\u3048\u307e"
TEXTS = st.text(CHARACTERS, min_size=14, max_size=60)


@given(st.text(CHARACTERS, max_size=40))
def test_text_is_folded_piece_by_piece_as_in_one(text: str) -> None:
    marks = str.maketrans(
        dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a", "'")
        | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u301d\u301e\u301f", '"')
    )
    at_once = unicodedata.normalize("NFKC", text.removeprefix("\ufeff")).translate(marks)
    assert fold(text) == re.sub(r"\s+", " ", at_once).strip(" ")


@given(TEXTS, st.data())
def test_what_is_found_is_what_was_quoted(text: str, data: st.DataObject) -> None:
    content = text.encode()
    at = data.draw(st.integers(0, len(text) - 12))
    quote = text[at : data.draw(st.integers(at + 12, len(text)))]
    found = find_quote(quote, content, is_code=False)
    if isinstance(found, Span):
        assert fold(content[found.start : found.end].decode()) == fold(quote)


@given(TEXTS, st.data())
def test_a_quotation_with_one_character_altered_never_passes(
    text: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(text) - 12))
    quote = text[at : data.draw(st.integers(at + 12, len(text)))]
    right = record(quote, text.encode())
    assume(right.start is not None and not rejections(right, text.encode()))
    assert right.quote is not None
    place = data.draw(st.integers(0, len(right.quote) - 1))
    other = data.draw(st.one_of(CHARACTERS, st.just("")))
    altered = right.quote[:place] + other + right.quote[place + 1 :]
    assume(fold(altered) != fold(right.quote))
    # A forged quotation comes with the hash that fits it.
    forged = sealed(right.model_copy(update={"quote": altered}), text.encode())
    assert rejections(forged, text.encode())


def record(quote: str, content: bytes) -> Evidence:
    return sealed(
        Evidence(
            claim="A claim",
            kind=EvidenceKind.QUOTED,
            source_id="repository",
            locator="url:https://example.org/",
            quote=quote,
            retrieved_at=datetime(2026, 1, 1, tzinfo=UTC),
            tool="repository",
        ),
        content,
    )


@pytest.mark.parametrize(
    ("text", "quote", "original"),
    [
        # Bytes are counted, not characters.
        ("\u4f60\u597d, a sentence.", "a sentence.", None),
        ("\u4f60\u597d\u4f60\u597d. A whole sentence", "A whole sentence", "A whole sentence"),
        # Runs of blanks, also across lines and in Windows' endings.
        ("So it\r\n   goes \u00a0 on.", "So it goes on.", "So it\r\n   goes \u00a0 on."),
        # A mark of the byte order is none of the text.
        ("\ufeffThe first words of it", "The first words of it", "The first words of it"),
        # One character became three, which are quoted whole or not at all.
        ("Wait for it\u2026 and go", "Wait for it...", "Wait for it\u2026"),
        ("Wait for it\u2026 and go on", ".. and go on and on", None),
        # An accent belongs to its letter.
        ("They went to the cafe\u0301", "They went to the cafe", None),
        # Scripts without blanks have no words that could be cut.
        (f"\u3053{JAPANESE}\u306d", JAPANESE, JAPANESE),
    ],
)
def test_places_are_bytes_of_the_original(text: str, quote: str, original: str | None) -> None:
    content = text.encode()
    found = find_quote(quote, content, is_code=False)
    if original is None:
        assert not isinstance(found, Span)
    else:
        assert isinstance(found, Span)
        assert content[found.start : found.end].decode() == original


def test_bytes_that_are_no_text_are_no_obstacle() -> None:
    content = b"\xff\xfe\x00 a sentence in the middle \xc3"
    found = find_quote("a sentence in the middle", content, is_code=False)
    assert found == Span(4, 28)


def test_a_long_source_is_searched_at_once() -> None:
    content = ("word \u00e9 " * 20_000 + "the end of it all").encode()
    assert isinstance(find_quote("the end of it all", content, is_code=False), Span)


def test_lines_are_derived_from_bytes() -> None:
    content = b"one\r\ntwo\nthree\rfour"
    assert lines_of(content, Span(5, 8)) == (2, 2)
    assert lines_of(content, Span(5, 19)) == (2, 4)


def test_folding_keeps_what_only_looks_alike() -> None:
    assert fold("\u0430\u0435") != fold("ae")
    assert Folded.of("  a  b ").text == " a b "
