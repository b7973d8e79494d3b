"""Flows in this process, on the Prefect server of the test session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prefect_server(prefect_api: str) -> Iterator[None]:
    """Points Prefect in this process at the server of this test session."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield
    # Else they try to reach the server when it is gone.
    APILogWorker.drain_all()
    EventsWorker.drain_all()


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, prefect_server: None
) -> Path:
    """A fresh home, and a fresh database on each engine in turn."""
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return tmp_path / "home"
