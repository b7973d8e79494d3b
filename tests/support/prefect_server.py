"""The Prefect server of a test session: for flows in this process, and for other processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.server import ON_SQLITE
from support.guardian import ended_with_us

_START_SECONDS = 120


@pytest.fixture(scope="session")
def prefect_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database and its log."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(prefect_folder: Path) -> Iterator[str]:
    """The API of the server, which starts when a test first asks for it."""
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AUTOPACK_"))}
    env |= ON_SQLITE
    env |= {"PREFECT_HOME": str(prefect_folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    printed = prefect_folder / "server.log"
    with printed.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    api = f"http://127.0.0.1:{port}/api"
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api}/health").is_success:
                break
        except httpx.HTTPError:
            time.sleep(0.2)
    else:
        server.kill()
        pytest.fail(f"the Prefect server did not start: {printed.read_text()}")
    with ended_with_us(server.pid, signal.SIGKILL):
        yield api
    server.terminate()
    server.wait(timeout=20)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
