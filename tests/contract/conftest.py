"""Runs whose JSON the contract speaks of, made without an engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.failed_run import fail, home_in, make, store
from support.projects import Project

from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli import run_command


@dataclass(frozen=True)
class Answer:
    """What a command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, which must be exactly one line of exactly one JSON object."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A fresh home with SQLite, and no Prefect server configured."""
    return home_in(tmp_path, monkeypatch)


@pytest.fixture
def autopack(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs a command line in this process."""

    def run(*argv: str) -> Answer:
        capsys.readouterr()
        code = run_command(argv)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A plan of two phases: one succeeds, the second fails its checks once too often."""
    return make(tmp_path / "project")


@pytest.fixture
def stored_run(project: Project, settings: Settings) -> str:
    """The id of a run that nobody has executed yet."""
    db = Database.open(settings.database_url)
    store(project, "stored", db, settings)
    db.close()
    return "stored"


@pytest.fixture(scope="session")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the home and the database of a run that failed, to copy."""
    folder = tmp_path_factory.mktemp("failed")
    with pytest.MonkeyPatch.context() as patch:
        settings = home_in(folder, patch)
        fail(make(folder / "project"), settings)
    return folder


@pytest.fixture
def failed_run(failed: Path, settings: Settings, tmp_path: Path) -> str:
    """The id of a run that completed a phase and failed at the next."""
    shutil.copytree(failed / "home", settings.home, dirs_exist_ok=True)
    shutil.copy(failed / "autopack.db", tmp_path / "autopack.db")
    return "failed"
