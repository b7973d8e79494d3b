"""What flow runs are forked from: `python -m deployments.warm.fork_server SOCKET MODULE`.

It has loaded Prefect and the flows, and started nothing: no thread, no event loop, no database.
Over the inherited ``SOCKET`` it is sent the descriptors of each flow run: a socket to talk about
it, its standard output and its standard error. It forks, answers with the pid, later with the
exit status, and ends when the worker closes ``SOCKET``.

A forked process reads its environment and folder, replaces everything that this one had of that
kind, and does what `python -m MODULE` does, to the end of the interpreter. For workers that is
`prefect.engine`, which carries one flow run out.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any, TypeVar

import psutil

from autopack import home_server
from autopack.secrecy.memory import hide_memory
from autopack.settings import Settings, process_environment

Parent = TypeVar("Parent")

FLOW_RUN = "PREFECT__FLOW_RUN_ID"
NO_FLOW_RUN = "0" * 36
"""Stands in the process's environment until a flow run takes its place."""

LENGTH = struct.Struct("!I")
CANNOT_FORK = b"cannot fork"

# Not what experiments and replays need besides: numpy starts threads. The first six are what
# Prefect and Autopack load when a run first needs them.
PRELOADED = (
    "anyio._backends._asyncio",
    "encodings.idna",
    "fastapi.encoders",
    "genai_prices",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "prefect.flow_engine",
    "flows.run",
    "flows.fleet",
    "flows.reconciling",
    "flows.maintenance",
)
_MOST_DESCRIPTORS = 65_536
_LONGEST_EXIT_SECONDS = 10.0


def main(words: list[str]) -> None:
    """Fork flow runs until the worker is gone; return in it, and in each of them at its end."""
    ctrl_c = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides what it means
    channel = socket.socket(fileno=int(words[0]))
    preload(*PRELOADED)
    home_server.let_go(Settings.from_environment().home)  # it uses no server itself
    flow_run = _Forking(channel).serve()
    if flow_run is None:
        return
    channel.detach()  # closed with the others; later its number is another one's
    signal.signal(signal.SIGINT, ctrl_c)
    _become(*flow_run)
    module = words[1]
    sys.argv = [module]
    sys.modules.pop(module, None)  # loaded as a part of Prefect; it runs as the main module now
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        _leave_in_time(ending.code if isinstance(ending.code, int) else int(bool(ending.code)))
        raise
    except BaseException:
        _leave_in_time(1)
        raise
    _leave_in_time(0)


def _leave_in_time(status: int) -> None:
    """End the process when the interpreter does not.

    Prefect flushes its logs then, without a limit of time, and a worker's slot is held so long.
    """

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)

    timer = threading.Timer(_LONGEST_EXIT_SECONDS, leave)
    timer.daemon = True
    timer.start()


def preload(*modules: str) -> None:
    """Load modules, and have what they are made of stay shared with every fork.

    Raises SystemExit when one has started a thread, with which nothing can be forked.
    """
    for module in modules:
        import_module(module)
    if psutil.Process().num_threads() != 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise SystemExit(f"cannot fork: loading the flows started threads beside {names}")
    gc.collect()
    gc.freeze()  # what no collection touches stays shared


class _Forking:
    """The loop of the process; its only state are the children that have not ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> tuple[socket.socket, int, int] | None:
        """Return in each child with its descriptors, and None when the worker is gone."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, wake)
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(reading, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if reading in ready:
                    with suppress(BlockingIOError):
                        os.read(reading, 4096)
                    self._reap()
                if self._channel.fileno() in ready:
                    asked, descriptors, _, _ = socket.recv_fds(self._channel, 1, 3)
                    if not asked:
                        return None
                    if self._fork(*descriptors):
                        break
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return socket.socket(fileno=descriptors[0]), descriptors[1], descriptors[2]

    def _fork(self, talking: int, out: int, err: int) -> bool:
        """Fork; return whether this is the child."""
        try:
            pid = os.fork()
        except OSError as error:
            pid, said = -1, CANNOT_FORK + f" {error.errno}\n".encode()
        else:
            if pid == 0:
                return True
            said = b"%d\n" % pid
        os.close(out)
        os.close(err)
        told = socket.socket(fileno=talking)
        with suppress(OSError):  # the worker is gone, and the flow run goes on
            told.sendall(said)
        if pid == -1:
            told.close()
        else:
            self._children[pid] = told
        return False

    def _reap(self) -> None:
        for told, status in ended(self._children):
            with suppress(OSError):
                told.sendall(b"%d\n" % status)
            told.close()


def ended(children: dict[int, Parent]) -> Iterator[tuple[Parent, int]]:
    """Take those that have ended out of ``children``; yield who asked for each, and its status."""
    while children:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        asked = children.pop(pid, None)
        if asked is not None:
            yield asked, os.waitstatus_to_exitcode(status)


def wake(number: int, frame: FrameType | None) -> None:
    """Have SIGCHLD written to the descriptor that wakes the loop."""


def _become(talking: socket.socket, out: int, err: int) -> None:
    """Take the environment, folder, output and settings of the flow run for this process's own."""
    told = _read(talking)
    environ: dict[str, str] = told["environ"]
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, out, err)):
        os.dup2(descriptor, number)
    talking.detach()
    os.closerange(3, _MOST_DESCRIPTORS)
    _show(environ.get(FLOW_RUN, ""))
    process_environment().clear()
    process_environment().update(environ)
    time.tzset()
    os.chdir(told["cwd"])
    hide_memory()

    from prefect.logging.configuration import setup_logging

    from flows.server import choose_server

    choose_server(Settings.from_environment())  # what calling a flow does first
    setup_logging(incremental=False)


def _read(talking: socket.socket) -> dict[str, Any]:
    with talking.makefile("rb") as file:
        (length,) = LENGTH.unpack(file.read(LENGTH.size))
        return json.loads(file.read(length))


def _show(flow_run: str) -> None:
    """Put the flow run where `ps e` looks for it: the environment the process was started with."""
    with suppress(OSError, AttributeError):
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_void_p
        place = getenv(FLOW_RUN.encode())
        if place and len(flow_run) == len(NO_FLOW_RUN):
            ctypes.memmove(place, flow_run.encode(), len(NO_FLOW_RUN))


if __name__ == "__main__":
    main(sys.argv[1:])
