"""The Prefect server of a command does not care which folder the command is typed in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployments.own_server import OwnServer

pytestmark = pytest.mark.slow


@pytest.mark.full
def test_modules_of_the_working_folder_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, folder = tmp_path / "project", tmp_path / "server"
    for made in (project, folder):
        made.mkdir()
    for name in ("prefect", "uvicorn", "calendar", "anyio"):
        (project / f"{name}.py").write_text("raise SystemExit('loaded from the project')\n")
    monkeypatch.chdir(project)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}

    server = OwnServer(folder, kept | {"PREFECT_HOME": str(folder)})
    try:
        server.wait()
    finally:
        server.end()
