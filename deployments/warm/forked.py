"""Starting flow runs by fork: the worker's side of `deployments.warm.fork_server`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from autopack.process.python_module import module_command
from deployments.setting_up import ENGINE
from deployments.spawning import HIDDEN, split
from deployments.warm.fork_server import CANNOT_FORK, FLOW_RUN, LENGTH, NO_FLOW_RUN
from deployments.warm.installed_code import code_stamp
from deployments.warm.interpreter import OF_A_FLOW_RUN

_SERVER = "deployments.warm.fork_server"
_LOOK_SECONDS = 0.5


class NotForked(Exception):
    """The fork server could not be used; nothing was started."""


class ForkedProcess:
    """A flow run's process: what Prefect asks of those that it starts itself."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, talking: socket.socket) -> None:
        self.pid, self._talking = pid, talking
        self.returncode: int | None = None
        self._process: psutil.Process | None = None
        with suppress(psutil.Error):
            self._process = psutil.Process(pid)

    async def wait(self) -> int:
        """Return the exit status, the negative number of the signal that ended it."""
        if self.returncode is None:
            said = await _line(self._talking)
            if said:
                self.returncode = int(said)
            else:  # the fork server was killed, and with it who knows the status
                while self._is_alive():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_LOOK_SECONDS)
                self.returncode = -signal.SIGKILL
            self._talking.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)

    def _is_alive(self) -> bool:
        process = self._process
        with suppress(psutil.Error):
            return (
                process is not None
                and process.is_running()
                and process.status() != psutil.STATUS_ZOMBIE
            )
        return False


class ForkServer:
    """The process that flow runs are forked from, started again when it or its code is gone.

    ``environ`` is what every flow run's environment has; what it adds is told to each. A forked
    process does what ``python -m MODULE`` does.
    """

    def __init__(self, environ: Mapping[str, str], *, module: str = ENGINE) -> None:
        self.environ, self._module = dict(environ), module
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._code: tuple[int, ...] = ()
        self._starting = asyncio.Lock()

    def can_start(self, environ: Mapping[str, str]) -> bool:
        """Return whether a forked process can still take this environment for its own."""
        both = environ.keys() | self.environ.keys()
        differing = (name for name in both if environ.get(name) != self.environ.get(name))
        return not any(OF_A_FLOW_RUN.fullmatch(name) for name in differing)

    async def start(self) -> socket.socket:
        """Return the channel to the process, which is started unless it lives with today's code."""
        async with self._starting:
            code = await asyncio.to_thread(code_stamp)
            ended = self._process is None or self._process.poll() is not None
            if ended or code != self._code or self._channel is None:
                self.close()
                self._code = code
                self._process, self._channel = await asyncio.to_thread(
                    _start, self._module, self.environ
                )
            return self._channel

    async def fork(
        self, environ: Mapping[str, str], cwd: Path | str, *, shows: bool
    ) -> ForkedProcess:
        """Fork a flow run; it writes where this process does, or nowhere unless it ``shows``.

        Raises NotForked when there is nothing to fork from.
        """
        try:
            return await self._fork(environ, cwd, shows=shows)
        except NotForked:  # the process has just ended: another one is started
            return await self._fork(environ, cwd, shows=shows)

    async def _fork(
        self, environ: Mapping[str, str], cwd: Path | str, *, shows: bool
    ) -> ForkedProcess:
        channel = await self.start()
        ours, theirs = socket.socketpair()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            ours.setblocking(False)
            out, err = (1, 2) if shows else (nowhere, nowhere)
            socket.send_fds(channel, [b"f"], [theirs.fileno(), out, err])
            theirs.close()
            told = json.dumps({"environ": dict(environ), "cwd": str(cwd)}).encode()
            said = await _line(ours)
            if not said or said.startswith(CANNOT_FORK):
                raise NotForked(said.decode() or "its process has ended")
            await asyncio.get_running_loop().sock_sendall(ours, LENGTH.pack(len(told)) + told)
            return ForkedProcess(int(said), ours)
        except OSError as error:
            ours.close()
            raise NotForked(str(error)) from error
        except NotForked:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(nowhere)

    def close(self) -> None:
        """Let the process end; flow runs that were forked from it continue."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None


async def _line(talking: socket.socket) -> bytes:
    """Return the next line, empty at the end."""
    loop, found = asyncio.get_running_loop(), b""
    while not found.endswith(b"\n"):
        try:
            more = await loop.sock_recv(talking, 1)
        except OSError:
            return b""
        if not more:
            return b""
        found += more
    return found[:-1]


def _start(
    module: str, environ: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    plain, told = split(environ)
    with theirs:
        process = subprocess.Popen(
            module_command(HIDDEN, "--told", _SERVER, str(theirs.fileno()), module),
            env=plain | {FLOW_RUN: NO_FLOW_RUN},
            stdin=subprocess.PIPE,
            pass_fds=(theirs.fileno(),),
        )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as telling:
            telling.write(json.dumps(told).encode() + b"\n")
    return process, ours
