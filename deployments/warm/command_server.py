"""What commands of a home are forked from: `python -m deployments.warm.command_server MODULE`.

It has loaded Prefect, the flows and the command line, and started nothing: no thread, no event
loop, no database; it uses no server and is told no secret. Its standard input is a line of JSON,
and the end of it is its own: that of the home's server. What was forked continues.

In its working folder, the home's, it listens on a socket to which `handing_over` connects. It is
asked by a message of JSON, looks whether its fork could do just what the asking process could
(`sameness`), forks, and later says how the fork ended. The fork talks with the asking process
itself, so that nothing of the command passes through here, and calls ``here`` of MODULE.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any

from autopack.secrecy.memory import hide_memory
from autopack.settings import process_environment
from deployments.warm.asking import Asking
from deployments.warm.fork_server import PRELOADED, ended, preload, wake
from deployments.warm.handing_over import ENDED, LONGEST_ASKED, READY, SOCKET
from deployments.warm.installed_code import ROOT, code_stamp
from deployments.warm.sameness import facts_of, first_difference

_PRELOADED = (
    *PRELOADED,
    "deployments.cli.endings",
    "deployments.cli.tree",
    "deployments.cli.runs.runs",
    "deployments.cli.runs.retry",
    "deployments.cli.runs.fleet",
    "deployments.home_server",
)
_MOST_ASKING = 128
_ASKING_SECONDS = 2.0
_LOOK_SECONDS = 0.5


def main(module: str) -> None:
    """Fork commands until the home's server is gone; return then, and in each fork at its end."""
    hide_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told: dict[str, Any] = json.loads(_line())
    process_environment().update(told["environ"])
    server = CommandServer(told["obeyed"])
    from flows.server import set_manners

    set_manners()  # which Prefect reads while it is loaded
    preload(*_PRELOADED, "deployments.warm.forked_command", module)
    asking = server.serve()
    if asking is not None:
        from deployments.warm.forked_command import carry_out

        carry_out(module, asking)


class CommandServer:
    """The loop of the process; its state are those who ask, and the forks that have not ended.

    ``obeyed`` is what this process had to obey when it started (`obeyed_by_commands`).
    """

    def __init__(self, obeyed: dict[str, str]) -> None:
        self._obeyed, self._code = obeyed, code_stamp()
        self._asking: dict[int, Asking] = {}
        self._forked: dict[int, Asking] = {}
        self._selector = selectors.DefaultSelector()
        self._is_outdated = False

    def serve(self) -> Asking | None:
        """Return in each fork for whom it is, and None when there is no more to do."""
        with suppress(FileNotFoundError):
            os.unlink(SOCKET)  # noqa: PTH108 - of one that was killed
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(SOCKET)
        listening.listen(_MOST_ASKING)
        listening.setblocking(False)
        reading, writing = os.pipe()
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, wake)
        for descriptor in (0, reading, listening.fileno()):
            self._selector.register(descriptor, selectors.EVENT_READ)
        found = self._until_forked(reading, listening)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if found is not None:
            self._let_go(listening)
        return found

    def _until_forked(self, woken: int, listening: socket.socket) -> Asking | None:
        while not self._is_outdated:
            seconds = _LOOK_SECONDS if self._forked or self._asking else None
            ready = {key.fd for key, _ in self._selector.select(seconds)}
            if 0 in ready and not os.read(0, 4096):
                return None
            if woken in ready:
                with suppress(BlockingIOError):
                    os.read(woken, 4096)
                self._reap()
            if listening.fileno() in ready:
                self._accept(listening)
            for descriptor in ready & self._asking.keys():
                asking = self._asking[descriptor]
                if self._answer(asking):
                    return asking
            self._forget_the_slow()
            for pid, asking in self._forked.items():
                asking.stop_with_it(pid)
        return None

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            pid, user, _ = struct.unpack("3i", credentials)
            if user != os.geteuid() or pid <= 0 or len(self._asking) >= _MOST_ASKING:
                connection.close()
                return
            try:
                asking = Asking(connection, pid, os.pidfd_open(pid))
            except OSError:
                connection.close()
                return
            self._asking[connection.fileno()] = asking
            self._selector.register(connection, selectors.EVENT_READ)

    def _answer(self, asking: Asking) -> bool:
        """Answer who asks; return whether this is the fork that carries the command out."""
        del self._asking[asking.connection.fileno()]
        self._selector.unregister(asking.connection)
        try:
            asked = json.loads(asking.connection.recv(LONGEST_ASKED))
            refusal = self._refusal(asking, asked)
            if refusal is not None or asked["only_asks"]:
                asking.connection.send(READY if refusal is None else refusal.encode())
                asking.forget()
                return False
            pid = os.fork()
        except (OSError, ValueError, KeyError, TypeError):
            asking.forget()
            return False
        if pid == 0:
            return True
        self._forked[pid] = asking
        return False

    def _refusal(self, asking: Asking, asked: dict[str, Any]) -> str | None:
        """Return why a fork of this process would not be the same as the one that asks."""
        if code_stamp() != self._code:
            self._is_outdated = True
            return "the installed code has changed"
        if (asked["root"], asked["executable"]) != (ROOT, sys.executable):
            return "it is another installation's"
        name = first_difference(self._obeyed, asked["environ"])
        if name is not None:
            return f"{name} differs"
        name = first_difference(facts_of(os.getpid()), facts_of(asking.pid))
        return None if name is None else f"another {name}"

    def _forget_the_slow(self) -> None:
        for descriptor, asking in list(self._asking.items()):
            if time.monotonic() - asking.since > _ASKING_SECONDS:  # stopped, or no command of ours
                del self._asking[descriptor]
                self._selector.unregister(asking.connection)
                asking.forget()

    def _reap(self) -> None:
        for asking, status in ended(self._forked):
            with suppress(OSError):
                asking.connection.send(b"%s %d" % (ENDED, status))
            asking.forget()

    def _let_go(self, listening: socket.socket) -> None:
        """Have nothing of this process's close a descriptor that the fork opens later."""
        self._selector.close()
        listening.detach()
        for asking in (*self._forked.values(), *self._asking.values()):
            asking.connection.detach()


def _line() -> bytes:
    """Return the first line of the standard input, and leave what is behind it."""
    found = b""
    while not found.endswith(b"\n"):
        more = os.read(0, 65_536)
        if not more:
            raise SystemExit(0)
        found += more
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
