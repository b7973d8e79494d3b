"""What a reader sees of a page, in whatever encoding it was written."""

from __future__ import annotations

import pytest

from autopack.research.sources.page_encoding import text_of
from autopack.research.sources.page_text import page_text


def read(content: bytes, content_type: str = "text/html") -> str:
    return page_text(text_of(content, content_type, is_page=True)).decode().rstrip("\n")


WORDS = "caf\u00e9 na\u00efve"
QUOTED = "\u201cok\u201d"
JAPANESE = "\u65e5\u672c\u8a9e"


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (WORDS.encode(), "text/html", WORDS),
        (WORDS.encode("latin-1"), "text/html", WORDS),  # nothing says so
        (WORDS.encode("latin-1"), "text/html; charset=ISO-8859-1", WORDS),
        (QUOTED.encode("cp1252"), 'text/html; charset="iso-8859-1"', QUOTED),  # as browsers do
        (WORDS.encode("utf-16"), "text/html", WORDS),
        (b"\xef\xbb\xbf" + WORDS.encode(), "text/html; charset=latin-1", WORDS),
        (b"<meta charset=Shift_JIS>" + JAPANESE.encode("cp932"), "text/html", JAPANESE),
        (
            b"<META HTTP-EQUIV=Content-Type CONTENT='text/html; charset=windows-1252'>"
            + QUOTED.encode("cp1252"),
            "text/html",
            QUOTED,
        ),
        (
            b"<?xml version='1.0' encoding='EUC-JP'?><p>" + JAPANESE.encode("euc-jp"),
            "application/xhtml+xml",
            JAPANESE,
        ),
        # the server knows better than the page; neither is believed what cannot be
        (b"<meta charset=latin-1>" + WORDS.encode(), "text/html; charset=UTF-8", WORDS),
        (b"<meta charset=utf-16>" + WORDS.encode(), "text/html", WORDS),
        (WORDS.encode(), "text/html; charset=zlib", WORDS),
        (WORDS.encode(), "text/html; charset=no-such-thing", WORDS),
    ],
)
def test_encodings(content: bytes, content_type: str, text: str) -> None:
    assert read(content, content_type) == text


def test_text_of_another_encoding_can_be_quoted_too() -> None:
    told = text_of(WORDS.encode("latin-1"), "text/plain; charset=latin-1", is_page=False)

    assert told == WORDS
    assert text_of(b"<meta charset=utf-16>", "text/plain", is_page=False).startswith("<meta")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<html><head><title>T</title><body><p>It is here.</body>", "It is here."),
        ("<head><meta name=x><title>T</title><p>It is here.", "It is here."),
        ("<head><style>p {}</style><script>if (a<b) {}</script></head>It is here.", "It is here."),
        ("a &amp; b &lt;c&gt;&nbsp;&#8217; &eacute;", "a & b <c> \u2019 \u00e9"),
        ("inter&shy;national<wbr>ization\u200b is hard", "internationalization is hard"),
        ("<p>a<b>b</b>c <i>d</i></p>\n  <p>  e</p>", "abc d\n\ne"),
        ("<p>So:</p><pre>\ndef f():\n    return 1\n</pre>", "So:\n\ndef f():\n    return 1"),
        ("<ul><li>one<li>two</ul><select><option>x<option>y", "one\ntwo\n\nx\ny"),
    ],
)
def test_what_is_seen(page: str, text: str) -> None:
    assert read(page.encode()) == text
