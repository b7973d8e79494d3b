"""The tables of a new Prefect server are those that its migrations would have made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deployments import prefect_schema
from deployments.prefect_schema import FILE, described, make_tables, migrate

pytestmark = pytest.mark.slow


def said(script: str) -> list[list[str]]:
    """Return the statements, the parts of each in one order: migrations make them in any."""
    return [
        sorted(line.strip().rstrip(",") for line in statement.splitlines())
        for statement in script.split(";\n")
    ]


def test_the_script_is_what_the_installed_release_migrates_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    migrate(tmp_path / "prefect.db")
    again = "run `python -m deployments.prefect_schema`"
    assert said(described(tmp_path / "prefect.db")) == said(FILE.read_text("utf-8")), again
    assert make_tables(tmp_path / "made.db")
    assert described(tmp_path / "made.db") == FILE.read_text("utf-8")


def test_a_database_with_tables_and_another_release_are_left_to_prefect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "older.db")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    before = (tmp_path / "older.db").read_bytes()
    assert not make_tables(tmp_path / "older.db")
    assert (tmp_path / "older.db").read_bytes() == before
    monkeypatch.setattr(prefect_schema, "version", lambda _: "3.9.2")
    assert not make_tables(tmp_path / "new.db")
