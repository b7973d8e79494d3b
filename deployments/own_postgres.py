"""A PostgreSQL of the home's own, for Prefect: from the wheel, with a password."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from autopack.files import safe_files
from autopack.model.errors import WorkFailed
from autopack.settings import process_environment
from deployments.postgres_place import Place, is_running, place_of

_START_SECONDS = 60
_LONGEST_SOCKET = 100  # the system takes 107 bytes for a path, of 103 on some


@contextmanager
def own_postgres(folder: Path) -> Generator[str]:
    """Run a PostgreSQL whose data is in ``folder``; yield its URL for Prefect, password included.

    Raises WorkFailed when it does not start.
    """
    server = _started(folder)
    try:
        yield server.url("postgresql+asyncpg")
    finally:
        server.stop()


def _started(folder: Path) -> PostgresServer:
    server = None
    try:
        server = PostgresServer(folder)
        server.start()
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        seen = f"see {server.log}, or " if server is not None and server.log.exists() else ""
        raise WorkFailed(
            f"PostgreSQL did not start: {' '.join(str(said).split())[:500]}",
            hint=f"{seen}use `autopack up --sqlite`",
        ) from error
    return server


class PostgresServer:
    """A PostgreSQL that belongs to ``folder``, started and stopped. Raises WorkFailed without one.

    Both raise OSError and SubprocessError.
    """

    def __init__(self, folder: Path) -> None:
        self._place: Place = place_of(folder)
        self._former = folder / "postgres"
        self._password_file = self._place.folder / "password"
        self.data = self._place.folder / "data"
        self.log = self._place.folder / "log"
        self.sockets: Path | None = None
        self.port: int | None = None

    def url(self, drivername: str) -> str:
        """Return how it is reached since it was started, with its password."""
        from sqlalchemy import URL

        return URL.create(
            drivername,
            username="postgres",
            password=self._password(),
            host=None if self.sockets else "127.0.0.1",
            port=self.port,
            database="postgres",
            query={"host": str(self.sockets)} if self.sockets else {},
        ).render_as_string(hide_password=False)

    def start(self) -> None:
        """Start it, made before where it is new, in place of one that was left running."""
        self._adopt()
        if is_running(self.data):
            self.stop()
        self._password()
        if not (self.data / "PG_VERSION").exists():
            # Anything else in the environment could be a locale that is not there.
            words = ["-U", "postgres", "--encoding=UTF8", "--locale=C"]
            words += ["--auth=scram-sha-256", f"--pwfile={self._password_file}"]
            fresh = self.data.with_name("fresh")  # whole or not at all
            for left in (fresh, self.data):
                shutil.rmtree(left, ignore_errors=True)
            self._run("initdb", "-D", str(fresh), *words)
            fresh.rename(self.data)
        options = ["-c", "unix_socket_permissions=0700"]
        if os.name == "nt":
            self.port = _free_port()
            options += ["-h", "127.0.0.1", "-p", str(self.port)]
        else:
            self.sockets = self._socket_folder()
            options += ["-h", "", "-k", str(self.sockets)]
        said = subprocess.list2cmdline(options) if os.name == "nt" else shlex.join(options)
        words = ["-w", "-t", str(_START_SECONDS), "-l", str(self.log), "-o", said, "start"]
        self._run("pg_ctl", "-D", str(self.data), *words)

    def stop(self) -> None:
        """End it, and what connects to it with it."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "fast", "stop")
        if self.sockets is not None and self.sockets != self._place.folder:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _adopt(self) -> None:
        """Keep what an earlier version stored: flow runs, and what was set in the UI."""
        former, moved = self._former, self.data.with_name("adopted")
        if (former / "PG_VERSION").exists() and not (self.data.exists() or is_running(former)):
            shutil.move(former, moved)
        if moved.exists():
            self._take_over(moved)

    def _take_over(self, data: Path) -> None:
        """Have the data of a server that asked nobody for a password."""
        rule = "{} all all {} scram-sha-256\n"
        rules = rule.format("local", "") + rule.format("host", "127.0.0.1/32")
        safe_files.write(data / "pg_hba.conf", rules)
        self._give(data)
        statement = f"ALTER ROLE postgres PASSWORD '{self._password()}'"
        self._run("postgres", "--single", "-D", str(data), "postgres", asked=statement)
        data.rename(self.data)

    def _password(self) -> str:
        """Return the password of this cluster, made when there is none."""
        if not safe_files.is_file(self._password_file):
            made = secrets.token_urlsafe(32)
            safe_files.write(self._password_file, made)
            self._give(self._password_file)
        return safe_files.read_text(self._password_file)

    def _socket_folder(self) -> Path:
        if len(os.fsencode(self._place.folder)) + len("/.s.PGSQL.5432") < _LONGEST_SOCKET:
            return self._place.folder
        made = Path(tempfile.mkdtemp(prefix="autopack-pg-"))
        self._give(made)
        return made

    def _give(self, path: Path) -> None:
        """Have a file, or a folder with all that is in it, belong to who runs the server."""
        if self._place.user is not None and self._place.group is not None:
            for one in (path, *path.rglob("*")):
                os.chown(one, self._place.user, self._place.group, follow_symlinks=False)

    def _run(self, program: str, *words: str, asked: str = "") -> None:
        # By files and not by pipes: the server keeps what it inherits open.
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:
            told.write(asked)
            told.seek(0)
            done = subprocess.run(
                [str(self._place.programs / program), *words],
                stdin=told,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self._place.folder,
                env=_environment(),
                user=self._place.user,
                group=self._place.group,
                extra_groups=None if self._place.user is None else [],
                umask=0o077 if os.name == "posix" else -1,
                timeout=2 * _START_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                said.seek(0)
                raise subprocess.CalledProcessError(
                    done.returncode, program, stderr=said.read()[-2000:]
                )


def _environment() -> dict[str, str]:
    kept = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TZ")
    return {name: process_environment()[name] for name in kept if name in process_environment()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
