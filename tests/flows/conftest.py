"""Flows in this process, on the Prefect server of the test session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import context
from prefect.context import SettingsContext
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from autopack.stack import OWN_SERVER


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Runs the test on SQLite, and with --full on PostgreSQL, too.

    The engines differ in the store, which is tested on both; some tests here ask for both.
    """
    return request.param


@pytest.fixture(scope="session")
def drained(prefect_api: str) -> Iterator[str]:
    """The API of the server, which does not end before it has what Prefect still has to send."""
    yield prefect_api
    APILogWorker.drain_all(timeout=10)
    EventsWorker.drain_all(timeout=10)


@pytest.fixture(scope="session")
def pointed(drained: str) -> tuple[dict[str, str], SettingsContext]:
    """The variables that point at the server, and Prefect's settings by them."""
    # Nobody but these tests uses it, so that nobody else cancels in it.
    variables = {"PREFECT_API_URL": drained, OWN_SERVER: "1"}
    before = context.GLOBAL_SETTINGS_CONTEXT
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        context.refresh_global_settings_context()
    made, context.GLOBAL_SETTINGS_CONTEXT = context.GLOBAL_SETTINGS_CONTEXT, before
    return variables, made


@pytest.fixture
def prefect_server(
    pointed: tuple[dict[str, str], SettingsContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points this process, every thread and child of it, at the server of the test session."""
    variables, settings = pointed
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # Reading them anew takes Prefect 50 ms a test.
    monkeypatch.setattr(context, "GLOBAL_SETTINGS_CONTEXT", settings)


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, prefect_server: None
) -> Path:
    """A fresh home, and a fresh database on each engine in turn."""
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return tmp_path / "home"
