"""The Prefect server that commands use: the one that is configured, or one of the command's own."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from autopack.errors import WorkFailed
from autopack.settings import Settings
from flows.server import choose_server, own_server_folder, server_url

_START_SECONDS = 90.0
_STOP_SECONDS = 5.0


def start_server(settings: Settings, *, own: bool = False) -> Callable[[], None]:
    """Point this process at its Prefect server; where there is none, start one.

    Returns a function that returns once the server answers, so that what needs no server goes on
    while it starts, and that raises WorkFailed when a server of the command's own does not
    start. ``own`` asks for one of the command's own whatever is configured. It ends with this
    process.
    """
    if not own and server_url(settings) is not None:
        choose_server(settings)
        return lambda: None
    choose_server(settings, own=True)
    server = _OwnServer(own_server_folder(settings.home))
    os.environ["PREFECT_API_URL"] = server.api_url
    # Before Prefect is loaded, and so after Prefect has sent its last logs and events.
    atexit.register(server.end)
    return server.wait


class _OwnServer:
    """A server process on a free port of this machine, with a disposable database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.api_url = f"http://127.0.0.1:{self._port}/api"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "server.log").open("ab") as log:
            # The same as Prefect's own for a process without a server, which however loads the
            # whole server into that process too. In a session of its own, since Ctrl-C in the
            # terminal has to leave it to the run that ends in order.
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", "--factory"),
                    "prefect.server.api.server:create_app",
                    *("--host", "127.0.0.1", "--port", str(self._port)),
                    *("--log-level", "error", "--lifespan", "on"),
                ],
                env=os.environ | {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when the server answers; a database that it cannot use is made anew, once."""
        deadline = time.monotonic() + _START_SECONDS
        again = True
        while not self._answers():
            if self._process.poll() is not None and again:
                again = False
                for left in self._folder.glob("prefect.db*"):
                    left.unlink()
                self._process = self._start()
            elif self._process.poll() is not None or time.monotonic() > deadline:
                raise WorkFailed(
                    "the Prefect server of this command did not start",
                    hint=f"see {self._folder / 'server.log'}",
                )
            time.sleep(0.05)

    def _answers(self) -> bool:
        import httpx  # not before the process has been started

        try:
            return httpx.get(f"{self.api_url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def end(self) -> None:
        """End the server, by force when it takes its time."""
        self._process.terminate()
        try:
            self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
