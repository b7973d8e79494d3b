"""The local stack: a Prefect server on PostgreSQL, the deployments, the blocks and a worker.

Started by `autopack up`, noted in the home so that every later command finds it, and ended with
the process that started it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from autopack import home_server
from autopack.files import safe_files
from autopack.model.errors import BadInput, Refused, WorkFailed
from autopack.process import leftovers
from autopack.process.python_module import module_command
from autopack.secrecy.memory import hide_memory
from autopack.settings import PAGE_URL, Settings, process_environment
from autopack.stack import Stack, running_stack, stack_file, write_stack
from deployments.own_postgres import own_postgres
from deployments.server_process import Told
from deployments.setting_up import ENGINE, POOL, SettingUp
from deployments.spawning import HIDDEN, listen, spawn, split
from deployments.warm.keeping import CommandServerKeeper, obeyed_here
from flows.server import LOGIN, ON_SQLITE, WITHOUT_QUESTIONS

DEFAULT_PORT = 4200
API_PORT = 4280
WORKER = "deployments.warm"
API = "deployments.api.process"
_START_SECONDS = 120.0
_API_SECONDS = 60.0


@contextmanager
def local_stack(
    settings: Settings, *, port: int | None, sqlite: bool, api: bool, say: Callable[[str], None]
) -> Generator[LocalStack]:
    """Start everything and yield it when it is ready; end everything afterwards.

    ``port`` is the server's, 4200 or a free one when None. ``api`` starts the HTTP API, too, which
    nothing else depends on. Raises Refused when a stack of this
    home is running already, WorkFailed when a part does not start.
    """
    running = running_stack(settings.home)
    if running is not None:
        raise Refused(
            f"a stack is running already, as pid {running.pid}: {running.ui_url}",
            hint="stop it with Ctrl-C in its terminal",
        )
    obeyed = obeyed_here()
    hide_memory()  # from now on it holds the login and the database's password
    lock = home_server.lock_stack(settings.home)
    if lock is None and home_server.is_possible():
        raise Refused(
            "a stack of this home is being started or ended", hint="try again in a moment"
        )
    logs = safe_files.make_folder(settings.home / "stack", below=settings.home)
    with ExitStack() as parts:
        if lock is not None:
            parts.callback(os.close, lock)
        listening = parts.enter_context(_listening(port))
        chosen = int(listening.getsockname()[1])
        stack = LocalStack(
            logs, f"http://127.0.0.1:{chosen}", home_server.make_login(settings.home)
        )
        parts.callback(stack.end)
        environ = _environment(settings, stack.api_url)
        # The database's password is for nobody else.
        of_server = _of_server(environ, chosen) | _writable_ui(settings.home)
        if sqlite:
            of_server |= ON_SQLITE
        else:
            say("starting PostgreSQL")
            database = parts.enter_context(own_postgres(logs))
            of_server["PREFECT_API_DATABASE_CONNECTION_URL"] = database
        say("starting the Prefect server")
        stack.start_server(listening, of_server)
        environ |= {LOGIN: stack.login} | (ON_SQLITE if sqlite else {})
        setting_up = parts.enter_context(SettingUp(environ, command=_engine()))
        stack.wait_for_server()
        _close_ui(settings.home)
        listening.close()  # the server's alone from now on
        say("setting up the work pool, the blocks, the deployments and the limits")
        stack.created = setting_up.finish()
        if api:
            say("starting the HTTP API with the operations page")
            stack.start_api(environ)
            environ = {PAGE_URL.name: str(stack.runs_api)} | environ
        say("starting a worker")
        stack.start_worker(environ, warm=settings.warm_worker)
        if api and not stack.api_listens():
            say(f"the HTTP API did not start; see {logs / 'api.log'}")
            stack.runs_api = None
        me = psutil.Process()
        write_stack(
            settings.home, Stack(stack.api_url, stack.url, me.pid, started=me.create_time())
        )
        parts.callback(stack_file(settings.home).unlink, missing_ok=True)
        stack.commands = CommandServerKeeper(settings.home, obeyed, answers=lambda: True)
        parts.callback(stack.commands.end)
        yield stack


class LocalStack:
    """The running parts.

    ``url`` is the UI, ``api_url`` the API, ``created`` what `autopack deploy --json` would print.
    """

    def __init__(self, logs: Path, url: str, login: str) -> None:
        self._logs, self.login = logs, login
        self.url = url
        self.api_url = f"{url}/api"
        self.created: dict[str, Any] = {}
        self.runs_api: str | None = None
        """Where the HTTP API is; None when it was not asked for."""
        self.commands: CommandServerKeeper | None = None
        """Keeps what commands are forked from; None until the stack is ready."""
        self._parts: dict[str, subprocess.Popen[bytes]] = {}

    def start_server(self, listening: socket.socket, environ: Mapping[str, str]) -> None:
        """Start the Prefect server, which ends with this process."""
        plain, told = split(environ)
        number = listening.fileno() if os.name == "posix" else None
        port = int(listening.getsockname()[1])
        if number is None:
            listening.close()
        self._start(
            "server",
            "deployments.server_process",
            line=Told(self.login, port, environ=told, socket=number).line(),
            environ=plain,
            inherited=() if number is None else (number,),
        )

    def start_worker(self, environ: Mapping[str, str], *, warm: bool) -> None:
        """Start a worker, which ends with this process; ``warm`` forks flow runs."""
        plain, told = split(environ)
        self._start(
            "worker",
            HIDDEN,
            "--told",
            "--attached",
            *(WORKER, "warm" if warm else "plain", "--pool", POOL),
            line=json.dumps(told).encode() + b"\n",
            environ=plain,
        )

    def start_api(self, environ: Mapping[str, str]) -> None:
        """Start the HTTP API, on its port or a free one."""
        with _listening_on(API_PORT) as listening:
            port = int(listening.getsockname()[1])
        plain, told = split(environ)
        self._start(
            "api",
            HIDDEN,
            "--told",
            "--attached",
            *(API, str(port)),
            line=json.dumps(told).encode() + b"\n",
            environ=plain,
        )
        self.runs_api = f"http://127.0.0.1:{port}"

    def _start(self, name: str, *command: str, **options: Any) -> None:
        log = self._logs / f"{name}.log"
        self._parts[name] = spawn(*command, folder=self._logs, log=log, attached=True, **options)

    def wait_for_server(self) -> None:
        """Return when the server answers. Raises WorkFailed when it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while not home_server.answers(self.api_url, self.login):
            self.check()
            if time.monotonic() > deadline:
                raise WorkFailed(
                    f"the Prefect server did not answer within {_START_SECONDS:.0f} s",
                    hint=f"see {self._logs / 'server.log'}",
                )
            time.sleep(0.1)

    def api_listens(self) -> bool:
        """Return whether the HTTP API takes connections, once it does; not when it has ended."""
        host, port = str(self.runs_api).removeprefix("http://").split(":")
        deadline = time.monotonic() + _API_SECONDS
        while self._parts["api"].poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                return True
            time.sleep(0.1)
        return False

    def check(self) -> None:
        """Raise WorkFailed when a part has ended."""
        for name, process in self._parts.items():
            if process.poll() is not None and name != "api":  # runs do without it
                raise WorkFailed(
                    f"the {name} ended with status {process.returncode}",
                    hint=f"see {self._logs / f'{name}.log'}",
                )

    def watch(self, stopping: threading.Event) -> None:
        """Return when ``stopping`` is set. Raises WorkFailed when a part ends before."""
        while not stopping.wait(1.0):
            self.check()
            if self.commands is not None:
                with suppress(OSError):
                    self.commands.look()

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
    """Return what the workers of this machine start for a flow run.

    Left to themselves they start another Python first, to fetch the flow's code, which is here.
    """
    words = module_command(HIDDEN, ENGINE)
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _of_server(environ: Mapping[str, str], port: int) -> dict[str, str]:
    """Return the environment of the server: no builder's key, and its UI is the one page to
    ask it.
    """
    plain, rest = split(environ)
    kept = {k: v for k, v in rest.items() if k.startswith("PREFECT_") or k == "AUTOPACK_HOME"}
    origins = ",".join(f"http://{name}:{port}" for name in ("127.0.0.1", "localhost"))
    return plain | kept | {"PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins}


def _writable_ui(home: Path) -> dict[str, str]:
    """Return where Prefect is to put its UI, which it copies into its own package by itself.

    An ordinary user can have it from somebody who installed it for all.
    """
    found = importlib.util.find_spec("prefect")
    places = (found and found.submodule_search_locations) or ()
    if all(os.access(Path(place, "server"), os.W_OK) for place in places):
        return {}
    return {"PREFECT_SERVER_UI_STATIC_DIRECTORY": str(_ui_folder(home))}


def _ui_folder(home: Path) -> Path:
    return home / "prefect" / "ui"


def _close_ui(home: Path) -> None:
    """Give the folders that Prefect has copied the mode of all that is in a home."""
    for path in _ui_folder(home).rglob("*"):
        if path.is_dir():
            path.chmod(0o700)


def _environment(settings: Settings, api_url: str) -> dict[str, str]:
    """Return the environment of the server, the worker and so of every run it starts."""
    kept = {
        name: value
        for name, value in process_environment().items()
        if not name.startswith("PREFECT_") and name != leftovers.HOLDER
    }
    folder = settings.home / "prefect"
    return (
        kept
        | WITHOUT_QUESTIONS
        | {
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
    )


def _listening(wanted: int | None) -> socket.socket:
    """Return a socket on ``wanted`` when that is free, else BadInput; on 4200 or any port when
    None.
    """
    if wanted is not None and not 1 <= wanted <= 65_535:
        raise BadInput(f"invalid port: {wanted}", field="port", hint="use 1 to 65535")
    if wanted is None:
        return _listening_on(DEFAULT_PORT)
    with suppress(OSError):
        return listen(wanted)
    raise BadInput(f"port {wanted} is in use", field="port", hint="choose another --port")


def _listening_on(usual: int) -> socket.socket:
    """Return a socket on the usual port, or on any that is free."""
    with suppress(OSError):
        return listen(usual)
    return listen(0)
