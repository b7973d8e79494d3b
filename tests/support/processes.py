"""Running the real command line in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from autopack import home_server

AUTOPACK = str(Path(sys.executable).parent / "autopack")


@dataclass(frozen=True)
class Answer:
    """What a command line answered."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """stdout, which must be exactly one JSON object."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Machine:
    """A home, a database and a Prefect server: where commands of one test run."""

    home: Path
    database_url: str
    prefect_api: str | None
    umask: int = -1
    login: str | None = None
    """What PREFECT_API_AUTH_STRING is; the login of the home's own servers need not be said."""

    @property
    def auth(self) -> tuple[str, str] | None:
        """What the server of this machine asks for, as httpx takes it."""
        login = self.login or home_server.read_login(self.home)
        return None if login is None else (login.partition(":")[0], login.partition(":")[2])

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "AUTOPACK_", "DATABASE_URL"))
        }
        env = kept | {"AUTOPACK_HOME": str(self.home), "DATABASE_URL": self.database_url}
        if self.prefect_api is not None:
            env["PREFECT_API_URL"] = self.prefect_api
        if self.login is not None:
            env["PREFECT_API_AUTH_STRING"] = self.login
        return env | more

    def start(self, *args: str, **more: str) -> subprocess.Popen[str]:
        """Start `autopack ARGS` in the background."""
        return subprocess.Popen(
            [AUTOPACK, *args],
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            umask=self.umask,
        )

    def run(self, *args: str, timeout: float = 180, **more: str) -> Answer:
        """Run `autopack ARGS` to its end."""
        process = self.start(*args, **more)
        stdout, stderr = process.communicate(timeout=timeout)
        return Answer(process.returncode, stdout, stderr)


def kill_tree(pid: int) -> None:
    """SIGKILL a process and everything below it, at once and without warning."""
    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in tree:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue


def marked_processes(run_id: str) -> list[psutil.Process]:
    """Every living process that carries the mark of a run."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AUTOPACK_RUN") == run_id:
                found.append(process)
        except psutil.Error:
            continue
    return found
