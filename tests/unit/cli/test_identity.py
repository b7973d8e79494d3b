"""`autopack db identity --new`: a copy that is used beside its original is told from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import call, make_project

from autopack.clock import SystemClock
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import claim_folder
from autopack.store.leases import Holder, acquire, release
from deployments.cli import run_command


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home and a database with a run that has its folder."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("AUTOPACK_HOME", str(home))
    settings = Settings(home, f"sqlite:///{tmp_path / 'first.db'}")
    project = make_project(tmp_path / "project", {"one": [[call(1)]]})
    db = Database.open(settings.database_url)
    request = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options={"recording": str(project.recording)},
        run_id="r",
    )
    prepare_run(request, db=db, settings=settings, clock=SystemClock())
    claim_folder(home, db, "r")
    db.close()
    return settings


@pytest.fixture
def asking(
    original: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Asks about a copy of the database; gives the exit code and the JSON."""
    shutil.copy(tmp_path / "first.db", tmp_path / "copy.db")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'copy.db'}")

    def ask(*words: str) -> tuple[int, dict[str, Any]]:
        code = run_command(["db", "identity", *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return ask


def folder_of(home: Path, database: Path) -> Path:
    db = Database.open(f"sqlite:///{database}")
    try:
        return claim_folder(home, db, "r")
    finally:
        db.close()


def test_a_copy_gets_an_identity_and_folders_of_its_own(
    original: Settings, tmp_path: Path, asking: Callable[..., Any]
) -> None:
    _, before = asking()
    code, refused = asking("--new")
    assert (code, refused["error"]["field"]) == (2, "--new")
    assert asking()[1]["identity"] == before["identity"], "nothing is changed without --yes"
    code, answer = asking("--new", "--yes")
    assert (code, answer["was"]) == (0, before["identity"])
    assert answer["identity"] != before["identity"]
    assert answer["rows"] == before["rows"]
    assert asking()[1]["identity"] == answer["identity"]
    assert folder_of(original.home, tmp_path / "first.db").name == "r"
    copy = folder_of(original.home, tmp_path / "copy.db")
    assert copy.name == f"r@{answer['identity'][:12]}"


def test_a_database_that_is_worked_with_keeps_its_identity(
    tmp_path: Path, asking: Callable[..., Any]
) -> None:
    _, before = asking()
    db = Database.open(f"sqlite:///{tmp_path / 'copy.db'}")
    lease = acquire(db, "r", Holder.of_this_process(), 45).lease
    code, refused = asking("--new", "--yes")
    assert (code, refused["error"]["message"]) == (
        2,
        "run r is held: a process works on it with the present identity",
    )
    assert asking()[1]["identity"] == before["identity"]
    release(db, lease)
    db.close()
    assert asking("--new", "--yes")[0] == 0
