"""What `autopack patterns mine` prints, writes and refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from support.failed_run import home_in
from support.stored_errors import error, store

from autopack.store.database.engine import Database
from deployments.cli import run_command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose database holds two failures, one of them three times."""
    settings = home_in(tmp_path, monkeypatch)
    db = Database.open(settings.database_url)
    store(db, [error(n, f"KeyError: '{n}'") for n in range(3)])
    store(db, [error(9, "bash: line 3: foo: command not found")])
    db.close()
    return tmp_path


def test_json_is_the_contract(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["patterns", "mine", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["signatures"]
    assert (first["count"], first["runs"], first["phases"], first["attempts"]) == (3, 3, 3, 3)
    assert (first["tokens"], first["cost"], first["confidence"]) == (None, None, "medium")
    assert first["priority"] == "LOW"
    assert sorted(first["samples"]) == ["KeyError: '0'", "KeyError: '1'", "KeyError: '2'"]
    assert first["first_seen"] < first["last_seen"]
    assert first["ended_by"]["not_passed"] == 3
    assert second["normalised"] == "command not found"


def test_rows_are_comma_separated_when_asked(home: Path, capsys) -> None:
    assert run_command(["patterns", "mine", "--csv", "--min", "2"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["count"], row["normalised"]) for row in rows] == [("3", "KeyError: <*>")]


def test_people_see_a_table_and_get_a_report(home: Path, capsys) -> None:
    folder = home / "report"
    assert run_command(["patterns", "mine", "--limit", "1", "--report", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "KeyError:" in shown
    assert "more: --after " in shown
    assert "4 failed attempts, 2 signatures" in shown
    assert sorted(path.name for path in folder.iterdir()) == ["patterns.html", "patterns.md"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--since", "yesterday"], "'yesterday'"),
        (["--since", ""], "--since is empty"),
        (["--min", "0"], "invalid min: 0"),
        (["--min", "-3"], "invalid min: -3"),
        (["--min", "many"], "many"),
        (["--limit", "0"], "invalid limit: 0"),
        (["--limit", "10001"], "invalid limit: 10001"),
        (["--csv", "--json"], "exclude each other"),
        (["--report", "/proc/none/there"], "cannot hold the report"),
        (["extra"], "extra"),
        (["--sinse", "30d"], "sinse"),
    ],
)
def test_bad_input_is_refused_in_a_line(home: Path, options: list[str], says: str, capsys) -> None:
    assert run_command(["patterns", "mine", *options]) == 2
    shown = capsys.readouterr()
    assert says in shown.err + shown.out
    assert "Traceback" not in shown.err
