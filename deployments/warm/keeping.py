"""Keeping the process that commands of a home are forked from, beside the home's server (Linux)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from autopack.process.python_module import module_command
from autopack.settings import WARM_COMMANDS, process_environment
from deployments.spawning import split
from deployments.warm.interpreter import obeyed_by_commands

_SERVER = "deployments.warm.command_server"
_COMMANDS = "deployments.cli"
_WAIT_SECONDS = 2.0
"""After the server answers, whose first command has the processors for itself until then, and
between two starts."""

_END_SECONDS = 2.0


def obeyed_here() -> dict[str, str] | None:
    """Return what commands have to share with this process; None when each is to load everything.

    To be asked before a process takes a server's settings for its own.
    """
    return obeyed_by_commands(process_environment()) if WARM_COMMANDS.of() else None


class CommandServerKeeper:
    """Starts the process when the server has answered for a while, and again when it has ended.

    It ends with this process, whatever ends that, and its standard input with it. ``obeyed`` is
    what commands have to share with the one that started the server; None keeps no such process.
    """

    def __init__(
        self,
        home: Path,
        obeyed: Mapping[str, str] | None,
        *,
        answers: Callable[[], bool],
        module: str = _COMMANDS,
    ) -> None:
        self._home, self._obeyed, self._answers, self._module = home, obeyed, answers, module
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before: float | None = None
        self._environ = dict(process_environment())

    def look(self) -> None:
        """Start the process where it is time."""
        if self._obeyed is None or sys.platform != "linux" or not self._answers():
            return
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.end()
        if self._not_before is None:
            self._not_before = time.monotonic() + _WAIT_SECONDS
        elif time.monotonic() >= self._not_before:
            self._not_before = None
            self._process = self._start(self._obeyed)

    @property
    def pid(self) -> int | None:
        """The process, None when there is none."""
        return None if self._process is None else self._process.pid

    def end(self) -> None:
        """End the process; what was forked from it continues."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        with suppress(OSError):
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
            return
        process.kill()
        process.wait()

    def _start(self, obeyed: Mapping[str, str]) -> subprocess.Popen[bytes]:
        plain, _ = split(self._environ)
        folder = self._home / "prefect"
        told = {
            "AUTOPACK_HOME": str(self._home),
            "PREFECT_HOME": str(folder),
            "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        }
        process = subprocess.Popen(
            module_command(_SERVER, self._module),
            env=plain,
            stdin=subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
        )
        if process.stdin is not None:
            line = json.dumps({"environ": {**obeyed, **told}, "obeyed": dict(obeyed)})
            with suppress(BrokenPipeError):
                process.stdin.write(line.encode() + b"\n")
                process.stdin.flush()
        return process
