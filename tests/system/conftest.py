"""Real processes: one Prefect server for all of them, a home and a database for each test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.processes import Machine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def prefect_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shared Prefect server keeps its database and its log."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(prefect_folder: Path) -> Iterator[str]:
    """A Prefect server shared by every process test of this session."""
    folder = prefect_folder
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AUTOPACK_"))}
    env |= {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
    }
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    api = f"http://127.0.0.1:{port}/api"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api}/health").is_success:
                break
        except httpx.HTTPError:
            time.sleep(0.2)
    else:
        server.kill()
        pytest.fail(f"the Prefect server did not start: {(folder / 'server.log').read_text()}")
    yield api
    server.terminate()
    server.wait(timeout=20)


@pytest.fixture
def machine(tmp_path: Path, prefect_api: str) -> Machine:
    """A fresh home with SQLite, on the shared Prefect server."""
    return Machine(tmp_path / "home", f"sqlite:///{tmp_path / 'autopack.db'}", prefect_api)


@pytest.fixture
def any_machine(tmp_path: Path, prefect_api: str, database_url: str) -> Machine:
    """A fresh home on each engine in turn."""
    return Machine(tmp_path / "home", database_url, prefect_api)
