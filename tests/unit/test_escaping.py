"""What agents and plans wrote is shown as text, wherever it is shown."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest
from markdown_it import MarkdownIt

from autopack.views.escaping import (
    cell_of_csv,
    code,
    in_html,
    in_table,
    linked,
    markdown,
    markdown_table,
    one_line,
    plain,
    prose,
    write_csv,
)

NASTY = [
    "![x](http://127.0.0.1/track.png)",
    "[click](javascript:alert(1)) [ref][1] [x]: http://x",
    "<img src=http://x onerror=alert(1)> <script>alert(1)</script> <!-- x --> &lt;b&gt; &#x202e;",
    "http://127.0.0.1/x https://x www.example.com me@example.com <http://x>",
    "# heading",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "> quote",
    "    code",
    "===",
    "---",
    "***bold*** __bold__ _it_ ~~gone~~ `code` ``",
    "| a | b |",
    "a\n# fake heading\n\n| a |\n|---|\n```\nx",
    "\\[x](y) \\\\",
    "snake_case DONE_SUCCESS 5 * 3 = 15: fine, 12:30",
    "\x1b[31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    "\u202egnp.exe\u202c \u200b\u2066x\u2069",
    "",
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("ends\r\nand\rreturns\u2028", "ends\nand\nreturns\n"),
        ("\x1b[31mred\x1b[0m \x1b[2J\x1b[8mhidden", "red hidden"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;UFdORUQ=\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\sixel \x1b_Gx\x1b\\ \x1bc", "sixel  "),
        ("\x1b]0;never ended", ""),
        ("\x00\x07\x08\x7f\x85x", "\nx"),
        ("\u202eright to left\u202c \u2066isolated\u2069\u200f", "right to left isolated"),
        ("no\u200bwidth\ufeff\u00ad", "nowidth"),
        ("half \ud800", "half \ufffd"),
        ("grüße 漢字 🙂", "grüße 漢字 🙂"),
    ],
)
def test_what_is_not_seen_goes(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert plain(shown) == shown


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def tags(page: str) -> set[str]:
    return set(re.findall("<([a-z0-9]+)", page))


@pytest.mark.parametrize("text", NASTY)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    page = rendered(f"# {markdown(text)}\n\n{markdown(text)}\n\n- {markdown(text)}\n")

    assert tags(page) <= {"h1", "p", "ul", "li"}
    assert html.unescape(re.findall("<h1>(.*)</h1>", page)[0]) == one_line(text)
    # What renderers make links of by themselves is broken up.
    assert not re.search(r"\w://|www\.|\w@\w|javascript:|<img|<script", markdown(text))


@pytest.mark.parametrize("text", [*NASTY, "a `b|c` d", "`x`", "`<img src=x>` ![x](y) `", "`a"])
def test_prose_has_code_and_nothing_else(text: str) -> None:
    page = rendered(prose(text))
    assert tags(page) <= {"p", "code"}
    shown = html.unescape(re.sub("</?(p|code)>", "`", page)).replace("`", "")
    assert " ".join(shown.split()) == " ".join(one_line(text).replace("`", "").split())


def test_a_command_in_prose_can_be_copied() -> None:
    assert prose("run `git fetch a:b_c` now: it's *here*") == (
        "run `git fetch a:b_c` now: it's \\*here\\*"
    )


@pytest.mark.parametrize("text", [*NASTY, "`", "``x`", " x "])
def test_code_shows_the_text_and_nothing_else(text: str) -> None:
    page = rendered(f"in {code(text)}.")
    assert tags(page) <= {"p", "code"}
    if one_line(text):
        assert html.unescape(re.findall("<code>(.*)</code>", page)[0]) == one_line(text)


@pytest.mark.parametrize("text", NASTY)
def test_a_table_keeps_its_cells(text: str) -> None:
    page = rendered(markdown_table(("a", text), [(text, "b"), ("c", linked(text, "http://x/a b"))]))
    assert page.count("<tr>") == 3
    assert page.count("<td>") == 4
    assert page.count("<a href") == 1
    assert 'href="http://x/a%20b"' in page


@pytest.mark.parametrize("text", NASTY)
def test_html_shows_the_text_and_nothing_else(text: str) -> None:
    assert not re.search("[<>\"']", in_html(text))
    assert html.unescape(in_html(text)) == plain(text)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+cmd", "'+1+cmd"),
        ("-1+cmd", "'-1+cmd"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1+1", "'=1+1"),
        ("\r=1+1", "'=1+1"),
        ("\n =1+1", "'=1+1"),
        ("\ufeff=1+1", "'=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        # where a semicolon begins a new cell
        ("a;=1+1", "a;'=1+1"),
        ("a; -1+x", "a; '-1+x"),
        # in one line, so as not to begin a row
        ("a\n=1", "a =1"),
        ("claude-sonnet", "claude-sonnet"),
        ("a = b", "a = b"),
        ("-5", "-5"),
        ("+1,000.5%", "+1,000.5%"),
        (-5, -5),
        (None, None),
    ],
)
def test_a_cell_is_no_formula(cell: object, written: object) -> None:
    assert cell_of_csv(cell) == written


def test_a_table_of_comma_separated_values() -> None:
    file = io.StringIO()
    write_csv(file, ["model", "=tokens"], [['=HYPERLINK("http://x")', 5], ['a,"b"\x1b[2J', None]])
    assert list(csv.reader(io.StringIO(file.getvalue()))) == [
        ["model", "'=tokens"],
        ['\'=HYPERLINK("http://x")', "5"],
        ['a,"b"', ""],
    ]


def test_values_of_a_table_keep_their_kind() -> None:
    assert in_table([{"a\n": "x\x1b[2J\ny", "b": 5, "c": None, "d": [True, "\u202ex"]}]) == [
        {"a": "x y", "b": 5, "c": None, "d": [True, "x"]}
    ]
