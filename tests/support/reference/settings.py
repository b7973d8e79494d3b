"""The environment variables: what each means, and what it may be.

Every variable of the code is named here, or among those that Autopack gives to its own processes.
"""

from __future__ import annotations

from autopack.model.features import Feature
from autopack.settings import Settings
from support.reference.declared import cell

SETTINGS = {
    "AUTOPACK_HOME": ("`~/.autopack`", "where Autopack keeps its clones, spools and database"),
    "DATABASE_URL": (
        "SQLite in the home",
        "the application database, an SQLAlchemy URL; PostgreSQL needs `autopack db upgrade` first",
    ),
    "PREFECT_API_URL": (
        "as [Prefect finds it](../prefect.md#which-server)",
        "the Prefect server that flows talk to",
    ),
    "AUTOPACK_SANDBOX": (
        "`off`",
        "`bwrap` confines builders and checks ([security](../security.md))",
    ),
    "AUTOPACK_SANDBOX_READABLE": (
        "",
        "folders of the user's home that confined programs may read, separated as in PATH",
    ),
    "AUTOPACK_PASS_ENV": (
        "",
        "further variables that builders and checks may see, such as `MYAPP_*, LC_ALL`",
    ),
    "AUTOPACK_SERVER_IDLE": (
        f"{Settings.server_idle_seconds:g}",
        "seconds after which the home's own Prefect server ends when nobody uses it",
    ),
    "AUTOPACK_LEASE_SECONDS": (
        f"{Settings.lease_seconds:g}",
        "how long a holder that fell silent keeps a run",
    ),
    "AUTOPACK_MIN_FREE_MB": (
        f"{Settings.min_free_bytes / 1e6:g}",
        "with less room on the disk no build starts, and the run waits",
    ),
    "AUTOPACK_PREFECT_SECONDS": (
        f"{Settings.prefect_seconds:g}",
        "how often a flow asks Prefect whether it was cancelled",
    ),
    "AUTOPACK_DEPLOYMENT": (
        f"`{Settings.deployment}`",
        "the deployment of `execute_run` that workers are asked for",
    ),
    "AUTOPACK_OPERATOR": (
        "user and machine",
        "who starts runs here, as experiments and answers record it",
    ),
    "AUTOPACK_DISABLE_PATTERNS": ("", "ids of failure patterns that are off, separated by commas"),
    "AUTOPACK_INSTALL_UNLISTED": (
        "`false`",
        "`true` lets a mitigation install what no manifest of the project declares",
    ),
    "AUTOPACK_DOCTOR_BLOCK": (
        "`default`",
        "the Prefect block of the type `autopack-doctor` that holds the doctor's key",
    ),
    "AUTOPACK_DOCTOR_RECORDING": ("the builder's", "the folder that the doctor `script` replays"),
    "AUTOPACK_EMBEDDER": ("`tfidf`", "`minilm` measures drift by sentence embeddings"),
    "AUTOPACK_FAILPOINT": ("", "for tests: where a process fails ([recovery](../recovery.md))"),
}

OWN = {
    "AUTOPACK_RUN": "the run that a process works for",
    "AUTOPACK_ATTEMPT": "its phase and attempt",
    "AUTOPACK_STORE": "the database of that run",
    "AUTOPACK_HOLDER": "the process that holds the run",
    "AUTOPACK_CHILD": "tells one supervised process from another",
    "AUTOPACK_OWN_SERVER": "marks a Prefect server that Autopack started",
    "AUTOPACK_BUILDER_KEY": "the key of an endpoint of the user's own, in its agent's environment",
}


def page() -> str:
    """The environment variables."""
    rows = [_row(name, *about) for name, about in SETTINGS.items()]
    rows += [
        _row(
            feature.variable,
            "",
            f"`false` forces `{feature}` off everywhere, `true` makes it the default",
        )
        for feature in Feature
    ]
    own = [f"| `{name}` | {meaning} |" for name, meaning in OWN.items()]
    return (
        "# Settings\n\n"
        "Environment variables, read when a command or a flow starts. What a run or a block says"
        " beats them, but for a feature that is forced off.\n\n"
        "| variable | when unset | meaning |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nKeys come from the variables of their providers ([agents](../agents.md#keys)).\n\n"
        "## Marks\n\n"
        "Autopack sets these for the processes that it starts; nobody else should.\n\n"
        "| variable | says |\n|---|---|\n" + "\n".join(own)
    )


def _row(name: str, unset: str, meaning: str) -> str:
    return f"| `{name}` | {unset} | {cell(meaning)} |"
