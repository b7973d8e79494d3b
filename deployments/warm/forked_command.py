"""A fork of `command_server` that becomes the command which another process was asked for.

It takes that process's terminal, folder, environment and habits for its own, and does what that one
would have done, to the end of the interpreter.
"""

from __future__ import annotations

import faulthandler
import fcntl
import io
import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TextIO

from autopack.settings import process_environment
from deployments.warm.asking import Asking
from deployments.warm.handing_over import BEGIN, LEAVING, READY

_BEGIN_SECONDS = 5.0
_MOST_DESCRIPTORS = 65_536
_CONNECTION, _LIFE = 3, 4
"""Descriptors behind the standard ones: to say how this ends, and to end when the other does."""


def carry_out(module: str, asking: Asking) -> None:
    """Carry out by ``module`` what was asked for, once it is; end when it is not."""
    os.setsid()  # what the terminal sends comes by way of that process
    try:
        descriptors = _received(asking)
    except (OSError, ValueError):
        os._exit(0)  # it is done there
    _become(asking.connection, descriptors)
    commands = import_module(module)
    code = 1
    try:
        commands.here()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        raise
    finally:
        _say_how_it_ends(code)


def _received(asking: Asking) -> list[int]:
    """Return the descriptors that the process sends. Raises OSError when it does not."""
    connection = asking.connection
    connection.settimeout(_BEGIN_SECONDS)
    connection.send(b"%s %d" % (READY, os.getpid()))
    size = struct.calcsize("6i")
    message, data, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(size) + socket.CMSG_SPACE(12))
    descriptors: list[int] = []
    sender = 0
    for level, kind, content in data:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors = [number for (number,) in struct.iter_unpack("i", content)]
        elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            sender = struct.unpack("3i", content)[0]
    # Whose confinement was looked at, and nobody who came to hold its connection or its number.
    if message != BEGIN or len(descriptors) != 6 or sender != asking.pid or not asking.is_there():
        raise ValueError("nothing is asked for")
    return descriptors


def _become(connection: socket.socket, descriptors: list[int]) -> None:
    """Take what the other process has for this one's own."""
    stdin, stdout, stderr, folder, command, life = descriptors
    os.lseek(command, 0, os.SEEK_SET)
    with open(command, "rb", closefd=False) as file:
        told: dict[str, Any] = json.load(file)
    os.fchdir(folder)
    kept = (stdin, stdout, stderr, connection.detach(), life)
    apart = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, len(kept)) for number in kept]
    for number, descriptor in enumerate(apart):
        os.dup2(descriptor, number, inheritable=number < _CONNECTION)
    os.closerange(len(kept), _MOST_DESCRIPTORS)
    _end_with_the_other()
    _take_signals(told["ignored"], told["blocked"])
    os.umask(told["umask"])
    process_environment().clear()
    process_environment().update(told["environ"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv = told["argv"]
    sys.stdin = sys.__stdin__ = _text(0, "r", sys.stdin)
    sys.stdout = sys.__stdout__ = _text(1, "w", sys.stdout)
    sys.stderr = sys.__stderr__ = _text(2, "w", sys.stderr)
    import_module("deployments.cli.shared.output").look_at_the_terminal()
    with suppress(OSError):
        Path("/proc/self/comm").write_text("autopack")  # what `ps` calls the other one


def _end_with_the_other() -> None:
    """Have the system kill this process at once when the other is gone, whatever it is doing."""
    fcntl.fcntl(_LIFE, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_LIFE, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(_LIFE, fcntl.F_GETFL)
    fcntl.fcntl(_LIFE, fcntl.F_SETFL, flags | os.O_ASYNC)
    waiting = select.poll()
    waiting.register(_LIFE, select.POLLIN)
    if waiting.poll(0):  # it was gone before
        os._exit(1)


def _take_signals(ignored: list[int], blocked: list[int]) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in ignored else usual)
    if faulthandler.is_enabled():  # by PYTHONFAULTHANDLER; its handlers were among them
        faulthandler.disable()
        faulthandler.enable(2)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _text(descriptor: int, mode: Literal["r", "w"], before: TextIO) -> TextIO:
    """Return a standard stream as Python opens it; ``before`` is the one of this interpreter."""
    writes = mode == "w"
    is_unbuffered = isinstance(before, io.TextIOWrapper) and before.write_through
    return io.TextIOWrapper(
        io.open(descriptor, f"{mode}b", 0 if is_unbuffered else -1, closefd=False),  # noqa: UP020 - stays open
        before.encoding,
        before.errors,
        newline="\n" if writes else None,
        line_buffering=not is_unbuffered and (descriptor == 2 or os.isatty(descriptor)),
        write_through=is_unbuffered,
    )


def _say_how_it_ends(code: int) -> None:
    """Say the exit status: who waits for this process may be gone before it has ended."""
    telling = socket.socket(fileno=_CONNECTION)
    with suppress(OSError):
        telling.send(b"%s %d" % (LEAVING, code & 0xFF))
    telling.detach()
