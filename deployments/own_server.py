"""A Prefect server that ends with the process that started it: of the demo, and of tests."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from autopack import home_server
from autopack.model.errors import WorkFailed
from deployments.server_process import Told
from deployments.spawning import spawn, split

_START_SECONDS = 120.0
_STOP_SECONDS = 5.0

WITHOUT_UI = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
"""Settings of a server that only programs use; Prefect runs fewer services for it."""


class OwnServer:
    """Starts with the object; ``folder`` holds its log, and is its PREFECT_HOME by ``environ``.

    ``login`` is what it asks for; a new one when None.
    """

    def __init__(
        self, folder: Path, environ: Mapping[str, str], *, login: str | None = None
    ) -> None:
        self._folder = folder
        self._environ = {**environ, **WITHOUT_UI}
        self.login = login or home_server.new_login()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.api_url = f"http://127.0.0.1:{self._port}/api"
        self.start()

    def start(self) -> None:
        """Start it, again after it was killed; it answers some seconds later."""
        plain, told = split(self._environ)
        self._process = spawn(
            "deployments.server_process",
            line=Told(self.login, self._port, environ=told).line(),
            environ=plain,
            folder=self._folder,
            log=self._folder / "server.log",
            attached=True,
        )

    def wait(self) -> None:
        """Return when the server answers. Raises WorkFailed when it does not start."""
        deadline = time.monotonic() + _START_SECONDS
        while not home_server.answers(self.api_url, self.login):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise WorkFailed(
                    "the Prefect server of this command did not start",
                    hint=f"see {self._folder / 'server.log'}",
                )
            time.sleep(0.05)

    def end(self) -> None:
        """End the server, by force when it takes its time."""
        self._process.terminate()
        try:
            self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._let_go()

    def kill(self) -> None:
        """End the server without warning."""
        self._process.kill()
        self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
