"""Patterns that are declared in YAML: the notation of their line, and what is refused."""

from __future__ import annotations

import time

import pytest
import yaml

from autopack.model.errors import BadInput
from autopack.plan.values import shown
from autopack.repair.patterns import Evidence, FailurePattern
from autopack.repair.patterns.declarative import read
from autopack.repair.patterns.line_pattern import LinePattern
from autopack.repair.signatures.signature import SIGNATURE_VERSION

DECLARED = {
    "id": "mined_locked",
    "version": 1,
    "summary": "The database is locked",
    "signature_version": SIGNATURE_VERSION,
    "literal": "database is locked",
    "regex": "^the database is locked$",
    "mitigation": {"name": "hint", "advice": "close the other connection"},
}


# Nine lists, each of nine times the one before it: 400 million values.
BOMB = (
    "[&l0 [x]" + "".join(f", &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 10)) + "]"
)


def declared(**changes: object) -> str:
    return yaml.safe_dump({**DECLARED, **changes})


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        ("^abc$", "abc", True),
        ("^abc$", "abcd", False),
        ("^a.*c$", "ac", True),
        ("^a.*c$", "abbbc", True),
        ("^a.*a$", "a", False),  # the same letter is not both ends
        ("^.*b.*$", "abc", True),
        ("^a.*b.*b$", "ab", False),
        (r"^a\.b \(.*\)$", "a.b (x)", True),
        (r"^a\.b$", "axb", False),
        ("^$", "", True),
    ],
)
def test_a_line_matches_as_the_regular_expression_would(
    pattern: str, line: str, expected: bool
) -> None:
    import re

    assert LinePattern.parse(pattern).matches(line) is expected
    assert bool(re.search(pattern, line)) is expected
    assert LinePattern.parse(pattern).text == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "abc",
        "^abc",
        "^a+$",
        "^(a)$",
        "^[ab]$",
        "^a|b$",
        "^a?$",
        r"^\d$",
        "^a{3}$",
        "^a.b$",
        "^\n$",
        "^" + "a" * 2_000 + "$",
        "^a\\",
    ],
)
def test_what_could_backtrack_is_not_in_the_notation(pattern: str) -> None:
    with pytest.raises(BadInput) as refused:
        LinePattern.parse(pattern)
    assert refused.value.field == "regex"


def test_a_declared_pattern_is_a_failure_pattern() -> None:
    pattern = read(declared(regex=r"^.*\.OperationalError: database is locked$"))
    assert isinstance(pattern, FailurePattern)
    match = pattern.detect(Evidence("x\nsqlite3.OperationalError: database is locked\ny"))
    assert match is not None
    assert pattern.propose(Evidence(""), match).suggestions == ("close the other connection",)
    assert pattern.detect(Evidence("sqlite3.OperationalError: no such table: x")) is None


def test_a_file_that_it_needs_must_be_there(tmp_path) -> None:
    pattern = read(declared(regex="^the database is locked$", files=["package.json"]))
    text = "the database is locked"
    assert pattern.detect(Evidence(text)) is None
    assert pattern.detect(Evidence(text, root=tmp_path)) is None
    (tmp_path / "package.json").touch()
    assert pattern.detect(Evidence(text, root=tmp_path)) is not None


@pytest.mark.parametrize(
    "piece", ["database is locked ", "a", "'", "/a", "E   database is locked\n"]
)
def test_ten_megabytes_take_less_than_a_second(piece: str) -> None:
    pattern = read(declared(regex="^.*the.*database is locked.*now.*$"))
    text = piece * (10_000_000 // len(piece)) + "database is locked"
    started = time.process_time()
    pattern.detect(Evidence(text))
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "pattern"),
        ("- a", "pattern"),
        ("a: [", "pattern"),
        (declared(extra=1), "extra"),
        (declared(id="../x"), "id"),
        (declared(id=None), "id"),
        (declared(version=0), "version"),
        (declared(version="1"), "version"),
        (declared(signature_version=SIGNATURE_VERSION + 1), "signature_version"),
        (declared(regex="^.*$"), "regex"),
        (declared(regex="^database .*$", literal="database"), "regex"),
        (declared(regex="^the database is locked$", literal="other"), "literal"),
        (declared(regex="^the database is locked$", mitigation="rm"), "mitigation"),
        (
            declared(regex="^the database is locked$", mitigation={"name": "hint", "run": "x"}),
            "mitigation",
        ),
        (declared(regex="^the database is locked$", files="a"), "files"),
        (declared(regex="^the database is locked$", files=["a\0b"]), "files"),
        # what grows, nests or cannot be printed
        (declared(signature_version="@").replace("'@'", BOMB), "signature_version"),
        (declared(id="@").replace("'@'", "9" * 5_000), "id"),
        (declared(version="@").replace("'@'", "!!int x"), "version"),
        (declared(version="@").replace("'@'", "!!timestamp x"), "version"),
        (declared(version="@").replace("'@'", "2026-13-45"), "version"),
        (declared(mitigation="@").replace("'@'", "[" * 100_000), "pattern"),
        (declared() + '"\\ud800": 1\n', "pattern"),
        (declared(**{"x" * 5_000: 1}), shown("x" * 5_000)),
        ("a: &a [*a]", "a"),
    ],
)
def test_a_wrong_file_is_refused_by_its_field(text: str, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(text)
    assert refused.value.field == field
    assert len(refused.value.message) < 300
    refused.value.message.encode()  # no half of a character
