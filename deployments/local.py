"""The local stack: a Prefect server on PostgreSQL, the deployments, the blocks and a worker.

Started by `autopack up`, noted in the home so that every later command finds it, and ended with
the process that started it.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from autopack.files import safe_files
from autopack.model.errors import BadInput, Refused, WorkFailed
from autopack.process import leftovers
from autopack.process.python_module import module_command
from autopack.settings import Settings
from autopack.stack import Stack, running_stack, stack_file, write_stack
from deployments.own_postgres import own_postgres
from deployments.setting_up import ENGINE, POOL, set_up
from flows.server import ON_SQLITE

DEFAULT_PORT = 4200
_START_SECONDS = 120.0


@contextmanager
def local_stack(
    settings: Settings, *, port: int | None, sqlite: bool, say: Callable[[str], None]
) -> Generator[LocalStack]:
    """Start everything and yield it when it is ready; end everything afterwards.

    ``port`` is the server's, 4200 or a free one when None. Raises Refused when a stack of this
    home is running already, WorkFailed when a part does not start.
    """
    running = running_stack(settings.home)
    if running is not None:
        raise Refused(
            f"a stack is running already, as pid {running.pid}: {running.ui_url}",
            hint="stop it with Ctrl-C in its terminal",
        )
    logs = settings.home / "stack"
    logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as parts:
        chosen = _port(port)
        stack = LocalStack(logs, f"http://127.0.0.1:{chosen}")
        parts.callback(stack.end)
        environ = _environment(settings, stack.api_url)
        of_server = dict(environ)  # the database's password is for nobody else
        if sqlite:
            environ |= ON_SQLITE
            of_server |= ON_SQLITE
        else:
            say("starting PostgreSQL")
            database = parts.enter_context(own_postgres(logs))
            of_server["PREFECT_API_DATABASE_CONNECTION_URL"] = database
        say("starting the Prefect server")
        stack.start(
            "server", ["server", "start", "--host", "127.0.0.1", "--port", str(chosen)], of_server
        )
        stack.wait_for_server()
        say("setting up the work pool, the blocks, the deployments and the limits")
        stack.created = set_up(environ, command=_engine())
        say("starting a worker")
        stack.start("worker", ["worker", "start", "--pool", POOL, "--type", "process"], environ)
        me = psutil.Process()
        write_stack(
            settings.home, Stack(stack.api_url, stack.url, me.pid, started=me.create_time())
        )
        parts.callback(stack_file(settings.home).unlink, missing_ok=True)
        yield stack


class LocalStack:
    """The running parts.

    ``url`` is the UI, ``api_url`` the API, ``created`` what `autopack deploy --json` would print.
    """

    def __init__(self, logs: Path, url: str) -> None:
        self._logs = logs
        self.url = url
        self.api_url = f"{url}/api"
        self.created: dict[str, Any] = {}
        self._parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, arguments: list[str], environ: Mapping[str, str]) -> None:
        """Start ``prefect ARGUMENTS`` in the background; it prints into ``<name>.log``."""
        with os.fdopen(safe_files.open_append(self._logs / f"{name}.log"), "ab") as log:
            self._parts[name] = subprocess.Popen(
                module_command("prefect", *arguments),
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._logs,
                start_new_session=True,
            )

    def wait_for_server(self) -> None:
        """Return when the server answers. Raises WorkFailed when it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                if httpx.get(f"{self.api_url}/health", timeout=2).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        raise WorkFailed(
            f"the Prefect server did not answer within {_START_SECONDS:.0f} s",
            hint=f"see {self._logs / 'server.log'}",
        )

    def check(self) -> None:
        """Raise WorkFailed when a part has ended."""
        for name, process in self._parts.items():
            if process.poll() is not None:
                raise WorkFailed(
                    f"the {name} ended with status {process.returncode}",
                    hint=f"see {self._logs / f'{name}.log'}",
                )

    def watch(self, stopping: threading.Event) -> None:
        """Return when ``stopping`` is set. Raises WorkFailed when a part ends before."""
        while not stopping.wait(1.0):
            self.check()

    def end(self) -> None:
        """End every part and what it started."""
        # A worker started from a script may ignore TERM; ending the tree does not ask it.
        leftovers.end(
            [
                psutil.Process(process.pid)
                for process in self._parts.values()
                if process.poll() is None
            ]
        )


def _engine() -> str:
    """What the workers of this machine start for a flow run.

    Left to themselves they start another Python first, to fetch the flow's code, which is here.
    """
    words = module_command(ENGINE)
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _environment(settings: Settings, api_url: str) -> dict[str, str]:
    """The environment of the server, the worker and so of every run it starts."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PREFECT_") and name != leftovers.HOLDER
    }
    folder = settings.home / "prefect"
    return kept | {
        "AUTOPACK_HOME": str(settings.home),
        "DATABASE_URL": settings.database_url,
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        # A schedule that is switched on in the UI takes effect within this many seconds.
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "DO_NOT_TRACK": "1",
    }


def _port(wanted: int | None) -> int:
    """``wanted`` when it is free, else BadInput; 4200 or any free port when None."""
    if wanted is not None and not 1 <= wanted <= 65_535:
        raise BadInput(f"port {wanted} is no port", field="port", hint="use 1 to 65535")
    for candidate in (wanted,) if wanted is not None else (DEFAULT_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BadInput(f"port {wanted} is in use", field="port", hint="choose another --port")
