"""The Prefect server of a test session: for flows in this process, and for other processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from flows.server import ON_SQLITE
from support.guardian import ended_with_us

_START_SECONDS = 120

# As Autopack starts its own, whose writers take turns: on SQLite as Prefect has it, writes that
# meet cost the client two seconds each. Without a login, as servers of other people may be.
_SERVE = """
import sys
import uvicorn
from deployments.sqlite_writing import prepare_sqlite
prepare_sqlite()
from prefect.server.api.server import create_app
uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


@pytest.fixture(scope="session")
def prefect_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database and its log."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(prefect_folder: Path) -> Iterator[str]:
    """The API of the server, which starts when a test first asks for it."""
    with running(prefect_folder, "-c", _SERVE) as api:
        yield api


@contextmanager
def running(folder: Path, *command: str) -> Generator[str]:
    """Have Python run a Prefect server by ``command``, to which the port is added."""
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AUTOPACK_"))}
    env |= ON_SQLITE
    env |= {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    env |= {"PREFECT_UI_ENABLED": "false"}
    printed = folder / "server.log"
    with printed.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *command, str(port)], env=env, stdout=log, stderr=subprocess.STDOUT
        )
    api = f"http://127.0.0.1:{port}/api"
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api}/health").is_success:
                break
        except httpx.HTTPError:
            time.sleep(0.1)
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
