"""Starting the Prefect server of a home when a command first needs it, and keeping it alive.

The lock of the server is taken before it is started and inherited by it, so that of any number of
first commands one starts it and the others wait. What crashes on the way takes its lock along.
"""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from autopack import home_server
from autopack.home_server import HomeServer
from autopack.model.errors import Refused, WorkFailed
from autopack.settings import Settings, process_environment
from deployments.own_server import WITHOUT_UI
from deployments.server_process import STARTUP_FAILED, Told
from deployments.spawning import listen, spawn, split
from deployments.warm.keeping import obeyed_here
from flows.server import DISPOSABLE, QUIET

_START_SECONDS = 300.0
_STOP_SECONDS = 20.0
_SAME_START_SECONDS = 2.0
_MOST_KILLED = 12
"""How often it may be killed while it starts: more often is no accident."""

_LOOK_SECONDS = 1.0
_MOST_LOG = 5_000_000


def home_server_version() -> str:
    """Return the version of what a server started now is made of."""
    return f"{version('prefect')}/{version('autopack')}"


@dataclass
class _Started:
    """A server that this process has started: its process, and what it inherited."""

    process: subprocess.Popen[bytes]
    lock: int
    socket: socket.socket

    def let_go(self) -> None:
        """Leave lock and address to the server alone."""
        os.close(self.lock)
        self.socket.close()


class UsedServer:
    """The home's server, as one process uses it; found or started by `use_server`."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings, self._home, self._say = settings, settings.home, say
        self._started: _Started | None = None
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._set_aside, self._killed = False, 0
        self._obeyed = obeyed_here()
        self.api_url = self._find_or_start(None)
        self.login = home_server.make_login(self._home)
        threading.Thread(target=self._look_after, name="prefect-server", daemon=True).start()

    def wait(self) -> None:
        """Return when the server answers. Raises what kept it from starting, mostly WorkFailed."""
        while not self._ready.wait(0.5):  # a lock without an end would not see Ctrl-C
            pass
        if self._error is not None:
            raise self._error

    def _find_or_start(self, port: int | None) -> str:
        """Return the address of a server that lives; start it on ``port`` when there is none."""
        deadline, said = time.monotonic() + _START_SECONDS, False
        while True:
            if home_server.use(self._home):
                found = home_server.running_server(self._home)
                if found is not None and found.version == home_server_version():
                    return found.api_url
                if found is not None:
                    self._end_other_version(found)
                    continue
                lock = home_server.lock_server(self._home)
                if lock is not None:
                    return self._start(lock, port)
            if time.monotonic() > deadline:
                raise WorkFailed(
                    "the Prefect server of this home neither starts nor ends",
                    hint=f"see {self._home / 'prefect' / 'server.log'}, or `autopack down`",
                )
            if not said and time.monotonic() > deadline - _START_SECONDS + 1:
                self._say("waiting for the Prefect server of this home")
                said = True
            time.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - nothing to guess

    def _end_other_version(self, found: HomeServer) -> None:
        home_server.let_go(self._home)
        users = home_server.lock_users_out(self._home)
        if users is None:
            raise Refused(
                f"the Prefect server of this home is version {found.version} and in use; "
                f"this is {home_server_version()}",
                hint="wait for the other commands to end, or use another AUTOPACK_HOME",
            )
        self._say("the Prefect server of this home is of another version; starting a new one")
        try:
            end_server(self._home, found)
        finally:
            os.close(users)

    def _start(self, lock: int, port: int | None) -> str:
        """Start a server that inherits ``lock``; return its address."""
        try:
            self._say("starting the Prefect server of this home")
            before = home_server.read_note(self._home)
            listening = _listen(port or (before.port if before else 0), strict=port is not None)
            home_server.remove_note(self._home)
            self._started = self._spawn(lock, listening)
        except BaseException:
            os.close(lock)
            raise
        return f"http://127.0.0.1:{listening.getsockname()[1]}/api"

    def _spawn(self, lock: int, listening: socket.socket) -> _Started:
        folder = home_server.folder(self._home)
        log = folder / "server.log"
        with suppress(OSError):
            if log.stat().st_size > _MOST_LOG:
                os.truncate(log, 0)
        plain, told = _environment(folder, listening)
        process = spawn(
            "deployments.server_process",
            line=Told(
                home_server.make_login(self._home),
                int(listening.getsockname()[1]),
                environ=told,
                home=str(self._home),
                socket=listening.fileno(),
                lock=lock,
                version=home_server_version(),
                idle_seconds=self._settings.server_idle_seconds,
                obeyed=self._obeyed,
            ).line(),
            environ=plain,
            folder=folder,
            log=log,
            inherited=(lock, listening.fileno()),
        )
        return _Started(process, lock, listening)

    def _look_after(self) -> None:
        """Say when the server is ready, then start it again whenever it was killed."""
        try:
            self._until_ready()
        except Exception as error:
            self._error = error  # whatever it is: who waits hears of it, and raises it
        finally:
            self._ready.set()
        while self._error is None:
            time.sleep(_LOOK_SECONDS)
            if home_server.is_locked(self._home):
                continue
            if home_server.read_note(self._home) is None:
                return  # it was ended in order, by `autopack down`
            try:
                self._find_or_start(self._port)
                self._until_ready()
            except Exception as error:
                self._say(f"the Prefect server of this home is gone: {error}")
                return

    @property
    def _port(self) -> int:
        return int(self.api_url.rpartition(":")[2].partition("/")[0])

    def _until_ready(self) -> None:
        """Return when the server answers; a database that it cannot use is set aside, once."""
        deadline, self._killed = time.monotonic() + _START_SECONDS, 0
        try:
            while not home_server.answers(self.api_url, self.login):
                if self._started is not None and self._started.process.poll() is not None:
                    self._once_more(self._started)
                elif self._started is None and not home_server.is_locked(self._home):
                    # The process that was starting it died, and it with that.
                    self.api_url = self._find_or_start(None)
                if time.monotonic() > deadline:
                    raise self._did_not_start()
                time.sleep(0.1)
        finally:
            if self._started is not None:
                self._started.let_go()
                self._started = None

    def _once_more(self, failed: _Started) -> None:
        folder = home_server.folder(self._home)
        self._killed += failed.process.returncode < 0
        if failed.process.returncode == STARTUP_FAILED:
            _check_room(folder)
            if self._set_aside or not set_database_aside(folder):
                raise self._did_not_start()
            self._set_aside = True
            self._say("the Prefect server's database cannot be used; it is set aside")
        elif failed.process.returncode > 0 or self._killed > _MOST_KILLED:
            raise self._did_not_start()
        self._started = self._spawn(failed.lock, failed.socket)

    def _did_not_start(self) -> WorkFailed:
        killed = f": it was killed {self._killed} times" if self._killed > _MOST_KILLED else ""
        return WorkFailed(
            f"the Prefect server of this home did not start{killed}",
            hint=f"see {self._home / 'prefect' / 'server.log'}",
        )


_used: dict[Path, UsedServer] = {}


def use_server(settings: Settings, say: Callable[[str], None]) -> UsedServer:
    """Find the home's server or start it; this process counts as its user until it ends.

    Raises BadInput where the home cannot be written to, and Refused when a server of another
    version is in use.
    """
    if settings.home not in _used:
        _used[settings.home] = UsedServer(settings, say)
    return _used[settings.home]


def end_server(home: Path, server: HomeServer) -> None:
    """End a server, by force when it takes its time. Raises WorkFailed when it cannot be ended."""
    with suppress(psutil.Error):
        process = psutil.Process(server.pid)
        if abs(process.create_time() - server.started) < _SAME_START_SECONDS:
            process.terminate()
            with suppress(psutil.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            if process.is_running():
                process.kill()
    deadline = time.monotonic() + _STOP_SECONDS
    while home_server.is_locked(home):
        if time.monotonic() > deadline:
            raise WorkFailed(f"the Prefect server of this home, pid {server.pid}, does not end")
        time.sleep(0.05)
    home_server.remove_note(home)


def set_database_aside(folder: Path) -> bool:
    """Give the database of a server that did not start another name; False without one.

    A process that has it open still does.
    """
    found = [path for path in folder.glob("prefect.db*") if ".broken-" not in path.name]
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for path in found:
        path.rename(path.with_name(f"{path.name}.broken-{stamp}"))
    return bool(found)


def _check_room(folder: Path) -> None:
    """Raise OSError when nothing can be written: no database would help then."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        with closing(sqlite3.connect(probe)) as there:
            there.execute("CREATE TABLE probe (content BLOB)")
            there.execute("INSERT INTO probe VALUES (zeroblob(1000000))")
            there.commit()
    except sqlite3.Error as error:
        raise WorkFailed(
            f"nothing can be written to {folder}: {error}", hint="make room there"
        ) from error
    finally:
        probe.unlink(missing_ok=True)


def _listen(port: int, *, strict: bool) -> socket.socket:
    """Return a socket on ``port`` where that is free; ``strict`` raises OSError where not."""
    try:
        return listen(port)
    except OSError:
        if strict:
            raise
        return listen(0)


def _environment(folder: Path, listening: socket.socket) -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment of a home's server, and the settings that it is told.

    Of the user's own those of Prefect's servers and logs; keys of builders have no place there.
    """
    plain, rest = split(process_environment())
    kept = {k: v for k, v in rest.items() if k.startswith(("PREFECT_SERVER_", "PREFECT_LOGGING_"))}
    told = QUIET | DISPOSABLE | WITHOUT_UI | {"PREFECT__SERVER_FINAL": "1"} | kept
    return plain, told | {
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        # Its clients do not ask for such tokens (see WITHOUT_QUESTIONS): it has a login.
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "false",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{listening.getsockname()[1]}",
    }
