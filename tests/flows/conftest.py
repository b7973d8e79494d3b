"""Flows in this process, on the Prefect server of the test session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autopack.stack import OWN_SERVER


@pytest.fixture(scope="session")
def drained(prefect_api: str) -> Iterator[str]:
    """The API of the server, which does not end before it has what Prefect still has to send."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    yield prefect_api
    APILogWorker.drain_all(timeout=10)
    EventsWorker.drain_all(timeout=10)


@pytest.fixture
def prefect_server(drained: str) -> Iterator[None]:
    """Points this process, every thread and child of it, at the server of the test session."""
    from prefect.context import refresh_global_settings_context

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", drained)
        # Nobody but these tests uses it, so that nobody else cancels in it.
        patch.setenv(OWN_SERVER, "1")
        refresh_global_settings_context()
        yield
    refresh_global_settings_context()


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, prefect_server: None
) -> Path:
    """A fresh home, and a fresh database on each engine in turn."""
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return tmp_path / "home"
