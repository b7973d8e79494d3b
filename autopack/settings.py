"""Where Autopack keeps its things on this machine, read from the environment in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from autopack.errors import BadInput


@dataclass(frozen=True)
class Settings:
    """The home folder, the database and the lease length of this process.

    ``home``: AUTOPACK_HOME, else ``~/.autopack``.
    ``database_url``: an SQLAlchemy URL, from DATABASE_URL, else SQLite in ``home``.
    ``lease_seconds``: how long a run stays held after its holder falls silent.
    """

    home: Path
    database_url: str
    lease_seconds: float = 45.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises BadInput when a value cannot be used. Creates the home."""
        env = os.environ if environ is None else environ
        home = Path(env.get("AUTOPACK_HOME") or "~/.autopack").expanduser().absolute()
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise BadInput(
                f"AUTOPACK_HOME {home} cannot be a folder: {error.strerror}",
                field="AUTOPACK_HOME",
                hint="set AUTOPACK_HOME to a folder that you may write to",
            ) from error
        url = env.get("DATABASE_URL") or _sqlite_url(home / "autopack.db")
        return cls(home=home, database_url=url, lease_seconds=_lease_seconds(env))

    def run_folder(self, run_id: str) -> Path:
        """The folder of one run: its spools, environment and workspaces."""
        return self.home / "runs" / run_id


def _sqlite_url(path: Path) -> str:
    # A path may hold what means something else in a URL: "?", "#", "%".
    return f"sqlite:///{quote(str(path), safe=' /:')}"


def _lease_seconds(env: Mapping[str, str]) -> float:
    text = env.get("AUTOPACK_LEASE_SECONDS") or "45"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise BadInput(
            f"AUTOPACK_LEASE_SECONDS is {text!r}",
            field="AUTOPACK_LEASE_SECONDS",
            hint="use a number of seconds from 1 to 3600",
        )
    return seconds
