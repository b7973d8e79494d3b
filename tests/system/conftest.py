"""Real processes: one Prefect server for all of them, a home and a database for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.processes import Machine


@pytest.fixture
def machine(tmp_path: Path, prefect_api: str) -> Machine:
    """A fresh home with SQLite, on the shared Prefect server."""
    return Machine(tmp_path / "home", f"sqlite:///{tmp_path / 'autopack.db'}", prefect_api)


@pytest.fixture
def any_machine(tmp_path: Path, prefect_api: str, database_url: str) -> Machine:
    """A fresh home on each engine in turn."""
    return Machine(tmp_path / "home", database_url, prefect_api)
