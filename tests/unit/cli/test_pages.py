"""Listings that are read whole are told a page at a time."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from autopack.model.errors import BadInput
from deployments.cli.endings import run_command
from deployments.cli.shared.paging import page_of
from deployments.cli.tree import app

NAMES = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
def test_the_pages_are_the_listing(limit: int) -> None:
    seen: list[str] = []
    page, cursor = page_of(NAMES, str, limit, None)
    while cursor is not None:
        assert len(page) == limit
        seen += page
        page, cursor = page_of(NAMES, str, limit, cursor)
    assert seen + page == NAMES
    assert page


def test_an_empty_listing_is_a_page() -> None:
    assert page_of([], str, 10, None) == ([], None)


@pytest.mark.parametrize(
    ("limit", "after", "field"), [(0, None, "limit"), (10_001, None, "limit"), (1, "x", "after")]
)
def test_what_is_no_page_is_refused(limit: int, after: str | None, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        page_of(NAMES, str, limit, after)
    assert refused.value.field == field


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOPACK_HOME", f"{tmp_path}/home")


@pytest.mark.parametrize("words", [["features"], ["patterns", "list"], ["builders", "list"]])
def test_a_command_tells_one_page_after_the_other(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*more: str) -> dict[str, object]:
        assert run_command([*words, *more, "--json"], app) == 0
        return json.loads(capsys.readouterr().out)

    first = told("--limit", "1")
    second = told("--limit", "1", "--after", str(first["next_cursor"]))
    (name,) = [key for key in first if key != "next_cursor"]
    whole = told()
    assert [*_rows(first, name), *_rows(second, name)] == _rows(whole, name)[:2]
    assert whole["next_cursor"] is None


@pytest.mark.parametrize("words", [["features"], ["patterns", "list"]])
def test_what_is_said_of_the_next_page_can_be_typed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command([*words, "--limit", "1"], app) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("more: ")]
    assert run_command([*words, *shlex.split(said.removeprefix("more: "))], app) == 0


def _rows(answer: dict[str, object], name: str) -> list[object]:
    rows = answer[name]
    assert isinstance(rows, list)
    return rows  # pyright: ignore[reportUnknownVariableType]
