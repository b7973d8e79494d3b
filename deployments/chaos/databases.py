"""The application databases that chaos breaks."""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import psutil

from deployments.own_postgres import PostgresServer


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
        self._server = PostgresServer(folder)
        self._server.start()
        self.url = self._server.url("postgresql+psycopg")

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
        # Where nobody reaps it, the dead server still looks like one that runs.
        (self._server.data / "postmaster.pid").unlink(missing_ok=True)
        for lock in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            if self._server.sockets is not None:
                (self._server.sockets / lock).unlink(missing_ok=True)
        self._server.start()

    def close(self) -> None:
        """Stop it."""
        self._server.stop()

    def _family(self) -> list[psutil.Process]:
        number = (self._server.data / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        postmaster = psutil.Process(int(number))
        return [postmaster, *postmaster.children(recursive=True)]
