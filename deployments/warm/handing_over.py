"""Handing a command over to a process of its home that has loaded everything (Linux).

That process forks, and the fork carries the command out with this process's terminal, folder and
environment while this one passes signals on and ends as it does. Where there is no such process,
or it could not do just what this one would (see `deployments.warm.command_server`), nothing has
happened and the command is carried out here. Nothing heavy is loaded for it: it takes a few
hundredths of a second.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NoReturn

from deployments.warm import HANDED_OVER
from deployments.warm.installed_code import ROOT
from deployments.warm.interpreter import obeyed_by_commands

# As in `autopack.settings`, which would take as long to load as all of this.
HOME, WARM_COMMANDS, API = "AUTOPACK_HOME", "AUTOPACK_WARM_COMMANDS", "PREFECT_API_URL"

SOCKET = "commands"
READY, BEGIN, LEAVING, ENDED = b"ready", b"begin", b"leaving", b"ended"
SHORT = 4096
"""Longer is no message between the two, but for what is asked."""

LONGEST_ASKED = 65_536
ANSWER_SECONDS = 0.25
"""How long the other process is waited for at least, before the command is carried out here."""

_MOST_ANSWER_SECONDS = 2.0
_STARTS = 5
"""It is waited for as long as this process would take to start so many times: on a busy machine
either takes longer, and so does loading everything here.
"""

_STATUS_SECONDS = 1.0
_FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT")
    if hasattr(signal, name)
)


def hand_over(argv: list[str], environ: Mapping[str, str]) -> None:
    """End as the process that carried the command out; return when it has to be done here."""
    if not is_possible(argv, environ):
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGTSTP))
    try:
        with _ask(environ) as connection:
            pid = _answered(connection)
            if pid is not None:
                _follow(connection, pid, {**_own(blocked), "argv": argv, "environ": dict(environ)})
    except (OSError, ValueError):
        pass  # done here
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def is_possible(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether the command is one of those, and needs nothing that only this process has."""
    words = tuple(argv[1:])
    return (
        sys.platform == "linux"
        and not HANDED_OVER.isdisjoint(words[:1])
        and {"--help", "-h", "--version"}.isdisjoint(words)
        and environ.get(WARM_COMMANDS, "").strip() in ("", "true")
        # It would load the client of another server, or has settings of Prefect's to obey.
        and not environ.get(API)
        and not _configures_prefect()
        # Options of this Python, and files that only this process has open.
        and not (sys._xoptions or sys.warnoptions or sys.flags.optimize or sys.flags.isolated)  # pyright: ignore[reportPrivateUsage]
        and not any("/dev/" in word or "/proc/" in word for word in words)
        and not _is_in_the_background()
    )


def why_not(environ: Mapping[str, str]) -> str | None:
    """Return why no command of this environment is handed over now; None when commands are."""
    if not is_possible(["autopack", "run"], environ):
        return "it is switched off, or something here needs a process of its own"
    try:
        with _ask(environ, only_asks=True) as connection:
            said = connection.recv(SHORT)
    except OSError:
        return "no process of this home has everything loaded"
    return None if said == READY else said.decode(errors="replace") or "it is about to end"


def _configures_prefect() -> bool:
    """Return whether a file in this folder may, which Prefect reads while it is loaded."""
    for name, word in (
        ("prefect.toml", b""),
        (".env", b"prefect"),
        ("pyproject.toml", b"tool.prefect"),
    ):
        with suppress(OSError), open(name, "rb") as file:  # noqa: PTH123 - nothing heavy
            if word in file.read().lower():
                return True
    return False


def _is_in_the_background() -> bool:
    """Return whether the terminal is another job's, from whom the system keeps this one."""
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            if os.tcgetpgrp(descriptor) != os.getpgrp():
                return True
    return False


def _ask(environ: Mapping[str, str], *, only_asks: bool = False) -> socket.socket:
    """Return the connection to the home's process, which was asked whether it takes a command."""
    home = environ.get(HOME, "").strip() or "~/.autopack"
    folder = os.open(
        os.path.join(os.path.expanduser(home), "prefect"),  # noqa: PTH111, PTH118
        os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW,
    )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        found = os.fstat(folder)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise OSError("others may have put it there")
        connection.settimeout(_patience())
        # By the descriptor, since an address of this kind holds a hundred characters.
        connection.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if struct.unpack("3i", credentials)[1] != os.geteuid():
            raise OSError("it is another user's")
        asked = {
            "root": ROOT,
            "executable": sys.executable,
            "environ": obeyed_by_commands(environ),
            "only_asks": only_asks,
        }
        connection.send(json.dumps(asked).encode())
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection


def _patience() -> float:
    """Return how many seconds the other process has to answer."""
    return max(ANSWER_SECONDS, min(_STARTS * _seconds_to_start(), _MOST_ANSWER_SECONDS))


def _seconds_to_start() -> float:
    """Return how long this process has taken so far; 0 where that is not told."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - nothing heavy
            began = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, ValueError, IndexError):
        return 0.0


def _answered(connection: socket.socket) -> int | None:
    """Return the process that was forked for the command; it begins when it is told to."""
    word, _, pid = connection.recv(SHORT).partition(b" ")
    return int(pid) if word == READY else None


def _own(blocked: set[signal.Signals] | set[int]) -> dict[str, Any]:
    """Return what the process that carries the command out has to have of this one."""
    umask = os.umask(0o077)
    os.umask(umask)
    handlers = ((number, signal.getsignal(number)) for number in signal.valid_signals())
    return {
        "umask": umask,
        "ignored": [int(number) for number, handler in handlers if handler == signal.SIG_IGN],
        "blocked": [int(number) for number in blocked],
    }


def _follow(connection: socket.socket, pid: int, told: dict[str, Any]) -> NoReturn:
    """Have the process begin, pass signals on to it, and end as it does. Raises OSError before."""
    handlers = {number: signal.getsignal(number) for number in (*_FORWARDED, signal.SIGTSTP)}
    with ExitStack() as opened:

        def closed_later(descriptor: int) -> int:
            opened.callback(os.close, descriptor)
            return descriptor

        process = closed_later(os.pidfd_open(pid))
        folder = closed_later(os.open(".", os.O_PATH | os.O_DIRECTORY))
        # The system ends the process once this one is gone, and with it the end that it keeps.
        alive, life = os.pipe()
        closed_later(life)
        command = os.memfd_create("command")
        with open(command, "wb") as file:  # noqa: PTH123 - nothing heavy
            file.write(json.dumps(told).encode())
            file.flush()
            try:
                _pass_signals_on(process)
                socket.send_fds(connection, [BEGIN], [0, 1, 2, folder, command, alive])
            except BaseException:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                raise
            finally:
                os.close(alive)
        # From here on the command is that process's.
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, told["blocked"])
            _hide_memory()
            status = _status(connection, process)
        except BaseException:
            os._exit(1)
        _end(status)


def _pass_signals_on(process: int) -> None:
    def forward(number: int, frame: object) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, number)

    def stop(number: int, frame: object) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGSTOP)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, stop)
        forward(signal.SIGCONT, frame)

    for number in (*_FORWARDED, signal.SIGTSTP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop if number == signal.SIGTSTP else forward)


def _hide_memory() -> None:
    """Hide the environment of this process as the other one's is; now that there is time."""
    from autopack.secrecy.memory import hide_memory

    hide_memory()


def _status(connection: socket.socket, process: int) -> int | None:
    """Return how the process ended, a signal as its negative number; None when nobody can tell."""
    said: int | None = None
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    waiting.register(process, select.POLLIN)
    seconds: float | None = None
    connection.setblocking(False)
    while True:
        ready = {descriptor for descriptor, _ in waiting.poll(seconds and seconds * 1000)}
        if connection.fileno() in ready:
            word, _, status = _received(connection).partition(b" ")
            if word == ENDED:
                return int(status)
            if word != LEAVING:
                return said
            said = int(status)
        elif process in ready:
            waiting.unregister(process)  # who waits for it says more, unless that is gone or held
            seconds = _STATUS_SECONDS
        elif not ready:
            return said


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(SHORT)
    except OSError:  # the process that could say has ended
        return b""


def _end(status: int | None) -> NoReturn:
    """End this process in the same way."""
    number = signal.SIGKILL if status is None else -status
    if status is not None and status >= 0:
        os._exit(status)
    with suppress(OSError, ValueError):
        if number in (signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its core is enough
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(128 + number)
