"""What `autopack patterns expand` prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.failed_run import home_in
from support.stored_errors import error, store

from autopack.store.database.engine import Database
from deployments.cli import run_command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose database holds one failure worth a detector."""
    settings = home_in(tmp_path, monkeypatch)
    db = Database.open(settings.database_url)
    store(db, [error(n, f"error: engine {n} gave up compiling the query") for n in range(4)])
    db.close()
    return tmp_path


def test_a_signature_by_its_first_digits_becomes_a_folder(home: Path, capsys) -> None:
    assert run_command(["patterns", "mine", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["signatures"]
    out = home / "out"
    words = ["patterns", "expand", found["signature"][:10], "--out", str(out)]
    assert run_command([*words, "--json"]) == 0
    view = json.loads(capsys.readouterr().out)
    (kept,) = view["kept"]
    assert kept["signature"] == found["signature"]
    assert Path(kept["place"]).is_dir()
    assert run_command(words) == 0
    shown = capsys.readouterr().out
    assert "is there already" in shown
    assert "1 mined, 1 chosen, 1 generated, 1 passed their own test, 0 kept" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--top", "1"], "--out or --repo"),
        (["--top", "1", "--out", "a", "--repo", "b"], "--out or --repo"),
        (["--out", "a"], "name signatures"),
        (["abcdef12", "--top", "1", "--out", "a"], "name signatures"),
        (["--top", "0", "--out", "a"], "invalid top: 0"),
        (["--top", "x", "--out", "a"], "x"),
        (["abc", "--out", "a"], "too short"),
        (["abcdef12", "--out", "a"], "no mined signature"),
        (["--top", "1", "--repo", "nowhere"], "not a git repository"),
        (["--top", "1", "--out", "/proc/none"], "cannot hold a pattern"),
    ],
)
def test_bad_input_is_refused_in_a_line(
    home: Path, words: list[str], says: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert run_command(["patterns", "expand", *words]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert not (home / "a").exists()
