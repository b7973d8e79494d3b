"""A Prefect server process on a free port of this machine, with a disposable database."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from autopack.files import safe_files
from autopack.model.errors import WorkFailed
from autopack.process.python_module import module_command

_START_SECONDS = 120.0
_STOP_SECONDS = 5.0


class OwnServer:
    """Starts with the object; ``folder`` holds its log, and is its PREFECT_HOME by ``environ``."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**environ, "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.api_url = f"http://127.0.0.1:{self._port}/api"
        self.start()

    def start(self) -> None:
        """Start it, again after it was killed; it answers some seconds later."""
        with os.fdopen(safe_files.open_append(self._folder / "server.log"), "ab") as log:
            # The same as Prefect's own for a process without a server, which however loads the
            # whole server into that process too. In a session of its own, since Ctrl-C in the
            # terminal has to leave it to the run that ends in order.
            self._process = subprocess.Popen(
                [
                    *module_command("uvicorn", "--app-dir", str(self._folder), "--factory"),
                    "prefect.server.api.server:create_app",
                    *("--host", "127.0.0.1", "--port", str(self._port)),
                    *("--log-level", "error", "--lifespan", "on"),
                ],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name == "posix",
                umask=0o077 if os.name == "posix" else -1,
            )

    def wait(self) -> None:
        """Return when the server answers; a database that it cannot use is made anew, once.

        Raises WorkFailed when it does not start.
        """
        deadline = time.monotonic() + _START_SECONDS
        again = True
        while not self._answers():
            if self._process.poll() is not None and again:
                again = False
                for left in self._folder.glob("prefect.db*"):
                    left.unlink()
                self.start()
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
            self.kill()

    def kill(self) -> None:
        """End the server without warning."""
        self._process.kill()
        self._process.wait()
