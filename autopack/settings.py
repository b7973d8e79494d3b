"""Every environment variable of Autopack, declared once, and the only place that reads them.

A declaration is one statement: the name, what the variable is for, how it is read, what it is
unset, and what it means. The fingerprint of a run takes in those that change what runs do;
`autopack health` and the reference list them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeGuard, TypeVar
from urllib.parse import quote

from autopack.files import private
from autopack.model.errors import BadInput
from autopack.model.locations import expanded, read_path, utf8
from autopack.model.value_readers import choice, flag, number, paths, secret, web_address, words

T = TypeVar("T")


def process_environment() -> MutableMapping[str, str]:
    """Return the environment of this process, for its children and for variables of others."""
    return os.environ


def program_environment() -> dict[str, str]:
    """Return this process's environment for programs that are not its own: without what Prefect
    and the database are reached by, for other programs of the user can read it there.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PREFECT_") and name != "DATABASE_URL"
    }


class Role(StrEnum):
    """What a variable is for."""

    CHANGES_RUNS = "changes what a run does"
    PLACES = "says where things are, or how this machine works"
    MARK = "is set by Autopack for its own processes"


@dataclass(frozen=True)
class Variable(Generic[T]):
    """An environment variable; ``meaning`` and ``when_unset`` are Markdown, for people.

    ``read`` turns its text into a value, and raises ValueError saying what to use instead;
    ``unset`` is the value without one. What ``is_secret``, or may hold a secret, is shown nowhere.
    """

    name: str
    role: Role
    meaning: str
    read: Callable[[str], T]
    unset: T
    when_unset: str = ""
    is_secret: bool = False

    def of(self, environ: Mapping[str, str] | None = None) -> T:
        """Return its value in ``environ``, by default this process's. Raises BadInput."""
        text = (process_environment() if environ is None else environ).get(self.name, "").strip()
        if not text:
            return self.unset
        try:
            return self.read(utf8(text))
        except ValueError as error:
            shown = f"{len(text)} characters" if self.is_secret else repr(text)
            raise BadInput(f"{self.name} is {shown}", field=self.name, hint=str(error)) from error


def _either(name: str, meaning: str, usual: str, other: str) -> Variable[str]:
    return Variable(name, Role.CHANGES_RUNS, meaning, choice(usual, other), usual, f"`{usual}`")


def _flag(name: str, role: Role, meaning: str, *, unset: bool) -> Variable[bool]:
    return Variable(name, role, meaning, flag, unset, f"`{str(unset).lower()}`")


def _replayed(name: str, role: str) -> Variable[str | None]:
    """Return the variable of the recording that a ``role`` of the kind `script` replays."""
    meaning = f"the folder that the {role} `script` replays"
    return Variable(name, Role.CHANGES_RUNS, meaning, str, None, "the builder's")


HOME = Variable(
    "AUTOPACK_HOME",
    Role.PLACES,
    "where Autopack keeps its clones, spools and database",
    read_path,
    None,
    "`~/.autopack`",
)
DATABASE_URL = Variable(
    "DATABASE_URL",
    Role.PLACES,
    "the application database, an SQLAlchemy URL; PostgreSQL needs `autopack db upgrade` first",
    str,
    None,
    "SQLite in the home",
    is_secret=True,
)
PREFECT_API_URL = Variable(
    "PREFECT_API_URL",
    Role.PLACES,
    "the Prefect server that flows talk to",
    str,
    None,
    "as [Prefect finds it](../prefect.md#which-server)",
    is_secret=True,
)
SANDBOX = Variable(
    "AUTOPACK_SANDBOX",
    Role.CHANGES_RUNS,
    "`bwrap` confines builders and checks ([security](../security.md))",
    choice("bwrap", "off"),
    "off",
    "`off`",
)
SANDBOX_READABLE = Variable(
    "AUTOPACK_SANDBOX_READABLE",
    Role.CHANGES_RUNS,
    "folders of the user's home that confined programs may read, separated as in PATH",
    paths,
    (),
)
PASS_ENV = Variable(
    "AUTOPACK_PASS_ENV",
    Role.CHANGES_RUNS,
    "further variables that builders and checks may see, such as `MYAPP_*, LC_ALL`",
    words,
    (),
)
SERVER_IDLE = Variable(
    "AUTOPACK_SERVER_IDLE",
    Role.PLACES,
    "seconds after which the home's own Prefect server ends when nobody uses it",
    number(0, 604_800, "seconds"),
    900.0,
    "900",
)
WARM_WORKER = _flag(
    "AUTOPACK_WARM_WORKER",
    Role.PLACES,
    "`false` has workers start a new Python for every flow run instead of forking it",
    unset=True,
)
WARM_COMMANDS = _flag(
    "AUTOPACK_WARM_COMMANDS", Role.PLACES, "`false` has commands load everything anew", unset=True
)
LEASE_SECONDS = Variable(
    "AUTOPACK_LEASE_SECONDS",
    Role.PLACES,
    "how long a holder that fell silent keeps a run",
    number(1, 3600, "seconds"),
    45.0,
    "45",
)
MIN_FREE_MB = Variable(
    "AUTOPACK_MIN_FREE_MB",
    Role.PLACES,
    "with less room on the disk no build starts, and the run waits",
    number(0, 1e9, "megabytes"),
    100.0,
    "100",
)
PREFECT_SECONDS = Variable(
    "AUTOPACK_PREFECT_SECONDS",
    Role.PLACES,
    "how often a flow asks Prefect whether it was cancelled",
    number(0, 3600, "seconds"),
    5.0,
    "5",
)
DEPLOYMENT = Variable(
    "AUTOPACK_DEPLOYMENT",
    Role.PLACES,
    "the deployment of `execute_run` that workers are asked for",
    str,
    "execute-run/run",
    "`execute-run/run`",
)
OPERATOR = Variable(
    "AUTOPACK_OPERATOR",
    Role.PLACES,
    "who starts runs here, as experiments and answers record it",
    str,
    None,
    "user and machine",
)
DISABLE_PATTERNS = Variable(
    "AUTOPACK_DISABLE_PATTERNS",
    Role.CHANGES_RUNS,
    "ids of failure patterns that are off, separated by commas",
    words,
    (),
)
INSTALL_UNLISTED = _flag(
    "AUTOPACK_INSTALL_UNLISTED",
    Role.CHANGES_RUNS,
    "`true` lets a mitigation install what no manifest of the project declares",
    unset=False,
)
DOCTOR_BLOCK = Variable(
    "AUTOPACK_DOCTOR_BLOCK",
    Role.CHANGES_RUNS,
    "the Prefect block of the type `autopack-doctor` that holds the doctor's key",
    str,
    None,
    "`default`",
)
DOCTOR_RECORDING = _replayed("AUTOPACK_DOCTOR_RECORDING", "doctor")
REVIEW_RECORDING = _replayed("AUTOPACK_REVIEW_RECORDING", "reviewer")
EMBEDDER = _either(
    "AUTOPACK_EMBEDDER", "`minilm` measures drift by sentence embeddings", "tfidf", "minilm"
)
CONTEXT_BUDGET = Variable(
    "AUTOPACK_CONTEXT_BUDGET",
    Role.CHANGES_RUNS,
    "the most tokens that a [context pack](../context.md) takes of a prompt",
    number(200, 200_000, "tokens"),
    8_000.0,
    "8000",
)
CONTEXT_MODE = _either(
    "AUTOPACK_CONTEXT_MODE",
    "`semantic` ranks the files of a context pack by sentence embeddings, too",
    "lexical",
    "semantic",
)
API_SECRET = Variable[str | None](
    "AUTOPACK_API_SECRET",
    Role.PLACES,
    "what keys of the API are hashed and its signing keys are sealed with; processes that share a "
    "database need the same",
    secret(32),
    None,
    "one of the home",
    is_secret=True,
)
API_SIGNING_KEY = Variable[str | None](
    "AUTOPACK_API_SIGNING_KEY",
    Role.PLACES,
    "the private RSA key, as PEM, that signs the tokens of the API",
    str,
    None,
    "one in the database",
    is_secret=True,
)
API_REGISTRATION = _flag(
    "AUTOPACK_API_REGISTRATION",
    Role.PLACES,
    "`true` lets anybody who reaches the API make an account that may read",
    unset=False,
)
PAGE_URL = Variable[str | None](
    "AUTOPACK_PAGE_URL",
    Role.PLACES,
    "the address at which people reach `autopack api`; artifacts in Prefect link to it, and with "
    "https the page's cookies are sent over TLS alone",
    web_address,
    None,
    "no links",
)
FAILPOINT = Variable(
    "AUTOPACK_FAILPOINT",
    Role.PLACES,
    "for tests: where a process fails ([recovery](../recovery.md))",
    str,
    None,
)


def _mark(name: str, meaning: str) -> Variable[str | None]:
    return Variable[str | None](name, Role.MARK, meaning, str, None)


RUN = _mark("AUTOPACK_RUN", "the run that a process works for")
ATTEMPT = _mark("AUTOPACK_ATTEMPT", "its phase and attempt")
QUERY = _mark("AUTOPACK_QUERY", "what a search command of research is asked")
STORE = _mark("AUTOPACK_STORE", "the database of that run")
HOLDER = _mark("AUTOPACK_HOLDER", "the process that holds the run")
CHILD = _mark("AUTOPACK_CHILD", "tells one supervised process from another")
OWN_SERVER = _mark("AUTOPACK_OWN_SERVER", "marks a Prefect server that Autopack started")
BUILDER_KEY = _mark(
    "AUTOPACK_BUILDER_KEY", "the key of an endpoint of the user's own, in its agent's environment"
)


def _is_variable(value: object) -> TypeGuard[Variable[Any]]:
    return isinstance(value, Variable)


VARIABLES = tuple(filter(_is_variable, list(globals().values())))
"""All of them, in the order of their declarations."""


def of_role(role: Role) -> tuple[str, ...]:
    """Return the names of the variables of a role, in the order of the declarations."""
    return tuple(each.name for each in VARIABLES if each.role is role)


def in_force(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return what every setting is set to, by its variable; None where it is unset.

    Secrets are no part of it, nor addresses of servers, which may hold a login. Raises BadInput
    for a value that cannot be used.
    """
    env = process_environment() if environ is None else environ
    given = [each for each in VARIABLES if each.role is not Role.MARK]
    for each in given:
        each.of(env)
    shown = [each.name for each in given if not each.is_secret]
    return {name: env.get(name) or None for name in shown}


@dataclass(frozen=True)
class Settings:
    """The home folder, the database, the lease length and the least free space of this process.

    ``home``: AUTOPACK_HOME, else ``~/.autopack``.
    ``database_url``: an SQLAlchemy URL, from DATABASE_URL, else SQLite in ``home``.
    ``lease_seconds``: how long a run stays held after its holder falls silent.
    ``min_free_bytes``: below so much room on the disk of the run no build starts, from
    AUTOPACK_MIN_FREE_MB (10^6 bytes).
    ``prefect_seconds``: how often a flow asks Prefect whether it was cancelled.
    ``deployment``: the deployment of `execute_run` that workers are asked for.
    ``server_idle_seconds``: how long the home's Prefect server lives when nobody uses it.
    ``warm_worker``: whether workers fork flow runs from a process that has loaded them; where
    processes cannot be forked, they never do.
    """

    home: Path
    database_url: str
    lease_seconds: float = LEASE_SECONDS.unset
    min_free_bytes: int = round(MIN_FREE_MB.unset * 1e6)
    prefect_seconds: float = PREFECT_SECONDS.unset
    deployment: str = DEPLOYMENT.unset
    server_idle_seconds: float = SERVER_IDLE.unset
    warm_worker: bool = WARM_WORKER.unset

    def __post_init__(self) -> None:
        # Below the home no link is followed; on the way to it they are the user's own.
        object.__setattr__(self, "home", self.home.resolve())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; raises BadInput when a value cannot be used. Creates the home."""
        env = process_environment() if environ is None else environ
        home = home_folder(env).absolute()
        try:
            private.have_home(home)
        except OSError as error:
            raise BadInput(
                f"AUTOPACK_HOME {home} cannot be a folder: {error.strerror}",
                field="AUTOPACK_HOME",
                hint="set AUTOPACK_HOME to a folder that you may write to",
            ) from error
        return cls.without_home(env)

    @classmethod
    def without_home(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings and create nothing; raises BadInput when a value cannot be used."""
        env = process_environment() if environ is None else environ
        home = home_folder(env).absolute()
        in_force(env)
        return cls(
            home,
            DATABASE_URL.of(env) or _sqlite_url(home / "autopack.db"),
            lease_seconds=LEASE_SECONDS.of(env),
            min_free_bytes=round(MIN_FREE_MB.of(env) * 1e6),
            prefect_seconds=max(PREFECT_SECONDS.of(env), 0.1),
            deployment=DEPLOYMENT.of(env),
            server_idle_seconds=SERVER_IDLE.of(env),
            warm_worker=WARM_WORKER.of(env) and hasattr(os, "fork"),
        )

    def run_folder(self, run_id: str) -> Path:
        """Return where a run's spools, environment and workspaces are; `autopack.store.folder_note`
        knows when another database has them.
        """
        return self.home / "runs" / run_id


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return Autopack's home, which may not be there yet."""
    return HOME.of(environ) or expanded("~/.autopack", HOME.name)


def _sqlite_url(path: Path) -> str:
    # A path may hold what means something else in a URL: "?", "#", "%".
    return f"sqlite:///{quote(str(path), safe=' /:')}"
