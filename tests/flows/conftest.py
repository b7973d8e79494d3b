"""One Prefect test server for every test of flows, which run in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server and database of this test session."""
    from prefect.testing.utilities import prefect_test_harness

    os.environ["PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED"] = "false"
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, prefect_server: None
) -> Path:
    """A fresh home, and a fresh database on each engine in turn."""
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return tmp_path / "home"
