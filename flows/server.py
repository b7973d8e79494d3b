"""Which Prefect server this process talks to, decided before Prefect reads its settings.

The one that Prefect is configured for (see ``flows.configuration``), else the stack that
`autopack up` left running, else a server of this process's own with its database under the home.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autopack.files import private, safe_files
from autopack.model.ids import process_mark
from autopack.process.leftovers import HOLDER
from autopack.settings import Settings
from autopack.stack import OWN_SERVER, running_stack
from flows.configuration import configured_url

ON_SQLITE = {
    # Each write that comes between makes a subflow wait two seconds on SQLite (503 and back-off):
    # no row for every task run, and events only every five seconds.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "10000",
}
"""Settings of a Prefect server that keeps its data in SQLite."""

DISPOSABLE = ON_SQLITE | {
    # Nobody sees them there.
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
}
"""Settings of a Prefect server that lasts as long as a command."""
HEARTBEAT_SECONDS = 30
"""How often a flow run says that it lives, unless the user has it say so at other times."""

HEARTBEAT_TAG = f"autopack-heartbeat-{HEARTBEAT_SECONDS}"
"""The tag of flow runs that say so at least as often: silence of theirs means a crash."""

_HEARTBEATS = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "DO_NOT_TRACK": "1",
}


def choose_server(settings: Settings, *, own: bool = False) -> None:
    """Point this process, and every child of it, at its Prefect server.

    ``own`` asks for a server of its own whatever else is configured (the demo); Prefect starts
    one when a flow first needs it, unless the command line has. Children carry the mark of this
    process, so that whoever resumes the run after its death finds them.
    """
    os.environ[HOLDER] = process_mark()
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    _set_heartbeats()
    url = None if own else server_url(settings)
    if url is None:
        os.environ.pop("PREFECT_API_URL", None)
        _use_own_server(settings.home)
    else:
        os.environ["PREFECT_API_URL"] = url
    if "prefect" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def tags_of_runs(*more: str) -> list[str]:
    """The tags of flow runs that this process starts, with what they say about heartbeats."""
    from prefect.settings import get_current_settings  # not before the server is chosen

    seconds = get_current_settings().flows.heartbeat_frequency
    often = seconds is not None and seconds <= HEARTBEAT_SECONDS
    return ["autopack", *([HEARTBEAT_TAG] if often else []), *more]


def _set_heartbeats() -> None:
    """Have flow runs say that they live, as often as the tag of their deployment promises."""
    set_ = os.environ.get(_HEARTBEATS, "")
    promised = "PREFECT__FLOW_RUN_ID" in os.environ  # a worker started it
    if not set_ or (promised and not (set_.isdigit() and int(set_) <= HEARTBEAT_SECONDS)):
        os.environ[_HEARTBEATS] = str(HEARTBEAT_SECONDS)


def server_url(settings: Settings) -> str | None:
    """The API of the server that flows use; None when the process has to start its own."""
    configured = configured_url()
    if configured:
        return configured
    stack = running_stack(settings.home)
    return stack.api_url if stack else None


def own_server_folder(home: Path) -> Path:
    """Where a server of a process's own keeps its database and its log."""
    folder = safe_files.make_folder(home / "prefect", below=home)
    safe_files.set_mode(folder, 0o700)  # earlier versions left it to the umask
    private.have_database(folder / "prefect.db")
    return folder


def _use_own_server(home: Path) -> None:
    folder = own_server_folder(home)
    os.environ[OWN_SERVER] = "1"
    # Its own home, so that no profile of the user's sends it elsewhere.
    os.environ["PREFECT_HOME"] = str(folder)
    os.environ["PREFECT_PROFILES_PATH"] = str(folder / "profiles.toml")
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    own = DISPOSABLE | {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90"}
    for name, value in own.items():
        os.environ.setdefault(name, value)
