"""Where Autopack keeps its things on this machine, read from the environment in one place."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from autopack.files import private
from autopack.model.errors import BadInput


@dataclass(frozen=True)
class Settings:
    """The home folder, the database, the lease length and the least free space of this process.

    ``home``: AUTOPACK_HOME, else ``~/.autopack``.
    ``database_url``: an SQLAlchemy URL, from DATABASE_URL, else SQLite in ``home``.
    ``lease_seconds``: how long a run stays held after its holder falls silent.
    ``min_free_bytes``: below so much room on the disk of the run no build starts, from
    AUTOPACK_MIN_FREE_MB (10^6 bytes).
    ``prefect_seconds``: how often a flow asks Prefect whether it was cancelled, from
    AUTOPACK_PREFECT_SECONDS.
    ``deployment``: the deployment of `execute_run` that workers are asked for, from
    AUTOPACK_DEPLOYMENT.
    ``server_idle_seconds``: how long the home's Prefect server lives when nobody uses it, from
    AUTOPACK_SERVER_IDLE.
    ``warm_worker``: whether workers fork flow runs from a process that has loaded them, from
    AUTOPACK_WARM_WORKER; where processes cannot be forked, they never do.
    """

    home: Path
    database_url: str
    lease_seconds: float = 45.0
    min_free_bytes: int = 100_000_000
    prefect_seconds: float = 5.0
    deployment: str = "execute-run/run"
    server_idle_seconds: float = 900.0
    warm_worker: bool = True

    def __post_init__(self) -> None:
        # Below the home no link is followed; on the way to it they are the user's own.
        object.__setattr__(self, "home", self.home.resolve())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises BadInput when a value cannot be used. Creates the home."""
        env = os.environ if environ is None else environ
        home = Path(env.get("AUTOPACK_HOME") or "~/.autopack").expanduser().absolute()
        try:
            private.have_home(home)
        except OSError as error:
            raise BadInput(
                f"AUTOPACK_HOME {home} cannot be a folder: {error.strerror}",
                field="AUTOPACK_HOME",
                hint="set AUTOPACK_HOME to a folder that you may write to",
            ) from error
        url = env.get("DATABASE_URL") or _sqlite_url(home / "autopack.db")
        lease = _number(
            env, "AUTOPACK_LEASE_SECONDS", cls.lease_seconds, least=1, most=3600, of="seconds"
        )
        free = _number(
            env, "AUTOPACK_MIN_FREE_MB", cls.min_free_bytes / 1e6, least=0, most=1e9, of="megabytes"
        )
        asks = _number(
            env, "AUTOPACK_PREFECT_SECONDS", cls.prefect_seconds, least=0, most=3600, of="seconds"
        )
        idle = _number(
            env,
            "AUTOPACK_SERVER_IDLE",
            cls.server_idle_seconds,
            least=0,
            most=604_800,
            of="seconds",
        )
        return cls(
            home,
            url,
            lease_seconds=lease,
            min_free_bytes=round(free * 1e6),
            prefect_seconds=max(asks, 0.1),
            deployment=env.get("AUTOPACK_DEPLOYMENT") or cls.deployment,
            server_idle_seconds=idle,
            warm_worker=_switch(env, "AUTOPACK_WARM_WORKER") and hasattr(os, "fork"),
        )

    def run_folder(self, run_id: str) -> Path:
        """Where a run's spools, environment and workspaces are, unless another database has it.

        See `autopack.store.folder_note`, which knows.
        """
        return self.home / "runs" / run_id


def _sqlite_url(path: Path) -> str:
    # A path may hold what means something else in a URL: "?", "#", "%".
    return f"sqlite:///{quote(str(path), safe=' /:')}"


def _switch(env: Mapping[str, str], name: str) -> bool:
    """Return whether something that is on by default is on."""
    text = (env.get(name) or "true").strip().lower()
    if text not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
        raise BadInput(f"{name} is {env[name]!r}", field=name, hint="use true or false")
    return text in ("1", "true", "yes", "on")


def _number(
    env: Mapping[str, str], name: str, default: float, *, least: float, most: float, of: str
) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise BadInput(
            f"{name} is {text!r}",
            field=name,
            hint=f"use a number of {of} from {least:.0f} to {most:.0f}",
        )
    return number
