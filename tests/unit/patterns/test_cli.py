"""What `autopack patterns` prints and returns."""

import json
from pathlib import Path

import pytest

from autopack.model.errors import AutopackError
from deployments.cli.patterns.patterns import list_patterns, match

MISSING = "ModuleNotFoundError: No module named 'yaml'"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the user's: patterns and what became of them are read there."""
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'autopack.db'}")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "error.log"
    path.write_text(MISSING, encoding="utf-8")
    return path


def test_list_names_every_pattern(capsys) -> None:
    assert list_patterns(as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)["patterns"]
    assert rows[0]["pattern_id"] == "python_missing_dep"
    assert all(row["summary"] for row in rows)


def test_list_is_readable(capsys) -> None:
    assert list_patterns(off=("python_missing_dep",)) == 0
    shown = capsys.readouterr().out
    assert "scope_mismatch" in shown
    assert "python_missing_dep" not in shown


def test_match_prints_the_contract(log: Path, capsys) -> None:
    assert match(log, changed=("a.py",), scope=("b/",), as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "pattern_id": "python_missing_dep",
        "matches": [
            {
                "pattern_id": "python_missing_dep",
                "priority": 1,
                "captured": {"module": "yaml", "distribution": "PyYAML"},
            },
            {"pattern_id": "scope_mismatch", "priority": 2, "captured": {"files": "a.py"}},
        ],
    }


def test_match_looks_into_the_repository(log: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "yaml.py").touch()
    assert match(log, repo=tmp_path, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"pattern_id": None, "matches": []}


def test_no_match_is_an_answer(tmp_path: Path, capsys) -> None:
    path = tmp_path / "bytes.log"
    path.write_bytes(b"\xff\xfe nothing known")
    assert match(path) == 0
    assert capsys.readouterr().out == "no known failure\n"


REFUSED = [
    (lambda log: match(log.with_name("gone.log")), "no such file"),
    (lambda log: match(log.parent), "cannot be read"),
    (lambda log: match(log, repo=log), "is not a folder"),
    (lambda log: match(log, off=("nonsense",)), "no failure pattern"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_bad_input_is_refused_by_name(call, message: str, log: Path) -> None:
    with pytest.raises(AutopackError, match=message) as caught:
        call(log)
    assert caught.value.exit_code == 2
