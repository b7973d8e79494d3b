"""docs/security.md: every test that it names is there, and every cell has one or says so."""

from __future__ import annotations

import ast

import pytest
from support.promises import PAGE, named_tests

ROOT = PAGE.parent.parent
THREATS = {"hostile repository", "agent", "plan", "model output", "other user", "web page"}


def rows() -> list[list[str]]:
    """The cells of the table of promises, a row each."""
    table = PAGE.read_text(encoding="utf-8").partition("## Promises")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.parametrize("test", sorted(named_tests()), ids="::".join)
def test_a_test_that_the_page_names_is_there(test: tuple[str, str]) -> None:
    file, name = test
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in [node.name for node in tree.body if isinstance(node, functions)]


def test_every_promise_has_a_threat_and_a_test_or_says_that_there_is_none() -> None:
    assert len(rows()) > 10
    for promise, threat, *cells in rows():
        assert threat in THREATS, promise
        assert len(cells) == 2, promise
        assert all(cell == "-" or cell.startswith("`tests/") for cell in cells), promise
        assert set(cells) != {"-"}, promise


@pytest.mark.parametrize("threat", sorted(THREATS))
def test_every_threat_meets_a_promise_with_and_without_the_sandbox(threat: str) -> None:
    cells = [cells for _, named, *cells in rows() if named == threat]
    assert any("-" not in both for both in cells)


def test_the_page_for_reporters_says_who_is_trusted_and_what_is_not_promised() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for heading in ("## Reporting a vulnerability", "## The model", "## What is not promised"):
        assert heading in page
    assert "docs/security.md" in page
