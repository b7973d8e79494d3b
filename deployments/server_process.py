"""The process of a Prefect server that Autopack starts: `python -m deployments.server_process`.

It is told what to do by one line of JSON on its standard input, so that no secret stands in its
environment, which other programs of the same user may read. The server proves who it is to those
who know its login (`autopack.home_server.proof`).

``Told.home`` makes it the server of a home: it holds the home's lock, notes its address there and
ends when nobody uses it. Without, it ends with the process that started it, that is with its
standard input.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from autopack import home_server
from autopack.home_server import CHALLENGE, PROOF, HomeServer, proof
from autopack.secrecy.memory import hide_memory
from autopack.stack import running_stack
from deployments.warm.keeping import CommandServerKeeper

_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 5
STARTUP_FAILED = 3
"""The exit status when the database could not be used, or something else went wrong at first."""


@dataclass(frozen=True)
class Told:
    """What the process is told: settings of Prefect, the login, and whose server it is.

    ``socket`` and ``lock`` are descriptors that it inherits. ``obeyed`` is what commands share that
    may be forked beside the server of a home (`deployments.warm.interpreter`); None for none.
    """

    login: str
    port: int
    environ: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    home: str | None = None
    socket: int | None = None
    lock: int | None = None
    version: str = ""
    idle_seconds: float = 0.0
    obeyed: dict[str, str] | None = None

    def line(self) -> bytes:
        """Return what is written to the process's standard input."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Proving:
    """The server's application; its answers carry the proof that they were asked for."""

    def __init__(self, app: Any, login: str) -> None:
        self._app, self._login = app, login
        self.asked_at = time.monotonic()
        """When somebody last asked for something, the monotonic clock's."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            challenge = dict(scope["headers"]).get(CHALLENGE.lower().encode())
            if challenge is None:
                self.asked_at = time.monotonic()
            else:
                send = self._proving(send, challenge.decode("latin-1"))
        await self._app(scope, receive, send)

    def _proving(self, send: Any, challenge: str) -> Any:
        header = (PROOF.encode(), proof(self._login, challenge).encode())

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", ()), header]}
            await send(message)

        return sending


def main() -> int:
    """Serve until told to end; return the exit status."""
    hide_memory()
    os.umask(0o077)  # not of a worker: what executes runs writes into projects
    told = Told(**json.loads(sys.stdin.buffer.readline()))
    os.environ.update(told.environ)
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = told.login
    note = _noted(told) if told.home is not None else None
    import uvicorn
    from prefect.server.api.server import create_app

    from deployments.sqlite_writing import prepare_sqlite

    prepare_sqlite()
    app = Proving(create_app(), told.login)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=told.port,
            log_level="error",
            lifespan="on",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )

    ending: list[int] = []

    def end(number: int = 0, frame: FrameType | None = None) -> None:
        ending.append(number)
        server.should_exit = True

    watching: Callable[[], None] = _Attached(end).watch
    keeper = CommandServerKeeper(
        Path(told.home or "."), told.obeyed, answers=lambda: server.started and not ending
    )
    if told.home is not None and note is not None and told.lock is not None:
        watching = _Home(Path(told.home), told.lock, note, app, end, keeper.look).watch
    threading.Thread(target=watching, daemon=True).start()
    given = [socket.socket(fileno=told.socket)] if told.socket is not None else None
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn sends itself again what it was sent, when it has ended in order.
        signal.signal(number, end)
    server.run(sockets=given)
    ending.append(0)
    keeper.end()
    if note is not None and told.home is not None and server.started:
        _forget(Path(told.home), note)
    return 0 if server.started else STARTUP_FAILED


def _noted(told: Told) -> HomeServer:
    note = HomeServer(
        api_url=f"http://127.0.0.1:{told.port}/api",
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        version=told.version,
        idle_seconds=told.idle_seconds,
    )
    home_server.write_note(Path(told.home or "."), note)
    return note


def _forget(home: Path, note: HomeServer) -> None:
    """Say that this server ended in order, unless the note is another's by now."""
    found = home_server.read_note(home)
    if found is not None and found.pid == note.pid:
        home_server.remove_note(home)


class _Attached:
    """Ends the server with the process that started it, however that ends."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end

    def watch(self) -> None:
        while os.read(0, 4096):  # past Python's buffer, which its end would wait for
            pass
        self._end()
        _leave_soon()


class _Home:
    """Ends the server of a home that nobody uses, or that is gone."""

    def __init__(
        self,
        home: Path,
        lock: int,
        note: HomeServer,
        app: Proving,
        end: Callable[[], None],
        keep: Callable[[], None],
    ) -> None:
        self._home, self._lock, self._note, self._app = home, lock, note, app
        self._end, self._keep = end, keep
        self._locked_out: int | None = None

    def watch(self) -> None:
        unused_since: float | None = None
        pause = min(_LOOK_SECONDS, max(self._note.idle_seconds / 4, 0.05))
        while home_server.is_lock_of(self._home, self._lock):
            with suppress(OSError):  # a full disk is no reason to end
                unused_since = self._look(unused_since)
            with suppress(OSError):
                self._keep()
            if self._locked_out is not None:
                break
            time.sleep(pause)
        self._end()
        _leave_soon()

    def _look(self, unused_since: float | None) -> float | None:
        """Return since when nobody uses it, by the monotonic clock; None while somebody does."""
        nobody = home_server.lock_users_out(self._home)
        if nobody is None:
            self._say(None)
            return None
        since = max(unused_since or time.monotonic(), self._app.asked_at)
        replaced = running_stack(self._home) is not None
        if replaced or time.monotonic() - since >= self._note.idle_seconds:
            self._locked_out = nobody  # nobody comes to a server that is about to end
            return since
        os.close(nobody)
        self._say(time.time() - (time.monotonic() - since))
        return since

    def _say(self, unused_since: float | None) -> None:
        known = self._note.unused_since
        moved = abs((known or 0) - (unused_since or 0)) > 2 * _LOOK_SECONDS
        if moved or (known is None) is not (unused_since is None):
            self._note = self._note.with_use(unused_since)
            home_server.write_note(self._home, self._note)


def _leave_soon() -> None:
    """End the process when the server does not, for whatever reason."""
    time.sleep(2 * _GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
