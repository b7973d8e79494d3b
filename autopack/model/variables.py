"""Every environment variable of Autopack, declared once: its role, what it is unset, what it means.

The fingerprint of a run takes those that change what runs do; the reference page lists them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a variable is for."""

    CHANGES_RUNS = "changes what a run does"
    PLACES = "says where things are, or how this machine works"
    MARK = "is set by Autopack for its own processes"


@dataclass(frozen=True)
class Variable:
    """An environment variable; ``unset`` and ``meaning`` are Markdown, for people."""

    name: str
    role: Role
    meaning: str
    unset: str = ""


VARIABLES = (
    Variable(
        "AUTOPACK_HOME",
        Role.PLACES,
        "where Autopack keeps its clones, spools and database",
        "`~/.autopack`",
    ),
    Variable(
        "DATABASE_URL",
        Role.PLACES,
        "the application database, an SQLAlchemy URL; PostgreSQL needs `autopack db upgrade` first",
        "SQLite in the home",
    ),
    Variable(
        "PREFECT_API_URL",
        Role.PLACES,
        "the Prefect server that flows talk to",
        "as [Prefect finds it](../prefect.md#which-server)",
    ),
    Variable(
        "AUTOPACK_SANDBOX",
        Role.CHANGES_RUNS,
        "`bwrap` confines builders and checks ([security](../security.md))",
        "`off`",
    ),
    Variable(
        "AUTOPACK_SANDBOX_READABLE",
        Role.CHANGES_RUNS,
        "folders of the user's home that confined programs may read, separated as in PATH",
    ),
    Variable(
        "AUTOPACK_PASS_ENV",
        Role.CHANGES_RUNS,
        "further variables that builders and checks may see, such as `MYAPP_*, LC_ALL`",
    ),
    Variable(
        "AUTOPACK_SERVER_IDLE",
        Role.PLACES,
        "seconds after which the home's own Prefect server ends when nobody uses it",
        "900",
    ),
    Variable(
        "AUTOPACK_WARM_WORKER",
        Role.PLACES,
        "`false` has workers start a new Python for every flow run instead of forking it",
        "`true`",
    ),
    Variable(
        "AUTOPACK_LEASE_SECONDS",
        Role.PLACES,
        "how long a holder that fell silent keeps a run",
        "45",
    ),
    Variable(
        "AUTOPACK_MIN_FREE_MB",
        Role.PLACES,
        "with less room on the disk no build starts, and the run waits",
        "100",
    ),
    Variable(
        "AUTOPACK_PREFECT_SECONDS",
        Role.PLACES,
        "how often a flow asks Prefect whether it was cancelled",
        "5",
    ),
    Variable(
        "AUTOPACK_DEPLOYMENT",
        Role.PLACES,
        "the deployment of `execute_run` that workers are asked for",
        "`execute-run/run`",
    ),
    Variable(
        "AUTOPACK_OPERATOR",
        Role.PLACES,
        "who starts runs here, as experiments and answers record it",
        "user and machine",
    ),
    Variable(
        "AUTOPACK_DISABLE_PATTERNS",
        Role.CHANGES_RUNS,
        "ids of failure patterns that are off, separated by commas",
    ),
    Variable(
        "AUTOPACK_INSTALL_UNLISTED",
        Role.CHANGES_RUNS,
        "`true` lets a mitigation install what no manifest of the project declares",
        "`false`",
    ),
    Variable(
        "AUTOPACK_DOCTOR_BLOCK",
        Role.CHANGES_RUNS,
        "the Prefect block of the type `autopack-doctor` that holds the doctor's key",
        "`default`",
    ),
    Variable(
        "AUTOPACK_DOCTOR_RECORDING",
        Role.CHANGES_RUNS,
        "the folder that the doctor `script` replays",
        "the builder's",
    ),
    Variable(
        "AUTOPACK_EMBEDDER",
        Role.CHANGES_RUNS,
        "`minilm` measures drift by sentence embeddings",
        "`tfidf`",
    ),
    Variable(
        "AUTOPACK_FAILPOINT",
        Role.PLACES,
        "for tests: where a process fails ([recovery](../recovery.md))",
    ),
    Variable("AUTOPACK_RUN", Role.MARK, "the run that a process works for"),
    Variable("AUTOPACK_ATTEMPT", Role.MARK, "its phase and attempt"),
    Variable("AUTOPACK_STORE", Role.MARK, "the database of that run"),
    Variable("AUTOPACK_HOLDER", Role.MARK, "the process that holds the run"),
    Variable("AUTOPACK_CHILD", Role.MARK, "tells one supervised process from another"),
    Variable("AUTOPACK_OWN_SERVER", Role.MARK, "marks a Prefect server that Autopack started"),
    Variable(
        "AUTOPACK_BUILDER_KEY",
        Role.MARK,
        "the key of an endpoint of the user's own, in its agent's environment",
    ),
)


def of_role(role: Role) -> tuple[str, ...]:
    """Return the names of the variables of a role, in the order of the declarations."""
    return tuple(each.name for each in VARIABLES if each.role is role)
