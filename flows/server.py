"""Which Prefect server this process talks to, decided when something is started in it.

The one that Prefect is configured for (see ``flows.configuration``), else the stack that
`autopack up` left running, else the home's own, which the command line starts on demand, else one
of this process's own with its database under the home. The last three ask for a login.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autopack import home_server
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
"""Settings of a Prefect server that only programs use."""

HEARTBEAT_SECONDS = 30
"""How often a flow run says that it lives, unless the user has it say so at other times."""

HEARTBEAT_TAG = f"autopack-heartbeat-{HEARTBEAT_SECONDS}"
"""The tag of flow runs that say so at least as often: silence of theirs means a crash."""

_HEARTBEATS = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "DO_NOT_TRACK": "1",
}
"""Settings of a Prefect that tells nobody of itself."""

WITHOUT_QUESTIONS = {
    # Each of half a dozen clients of a process would ask first. A server of ours has a login
    # instead of such tokens, and is of the same version as who starts it or what it starts.
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
}
"""Settings of clients of a server that Autopack has started."""

_AUTHORITIES = "PREFECT_API_SSL_CERT_FILE"
_NO_AUTHORITY = str(Path(__file__).with_name("no_authority.pem"))
"""A certificate that vouches for nobody: its key was never kept."""

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")

LOGIN = "PREFECT_API_AUTH_STRING"
"""The variable with the login that this process and its children give."""


def choose_server(settings: Settings, *, own: bool = False) -> None:
    """Point this process, and every child of it, at its Prefect server.

    ``own`` asks for a server of its own whatever else is configured (the demo); Prefect starts
    one when a flow first needs it, unless the command line has. Children carry the mark of this
    process, so that a process that resumes the run after a crash finds them.
    """
    global _is_chosen
    _mark_environment()
    url = None if own else server_url(settings)
    if url is not None:
        _reach(url)
        log_in(settings.home, url)
    elif own or not _use_running_server(settings.home):
        _reach(None)
        _use_own_server(settings.home)
    _is_chosen = True
    _refresh()


def choose_server_once(settings: Settings) -> None:
    """Choose the server unless this process has one already."""
    if not _is_chosen:
        choose_server(settings)


_is_chosen = False


def use_home_server(home: Path, api_url: str) -> None:
    """Point this process, and every child of it, at the home's own server."""
    global _is_chosen
    _mark_environment()
    _live_in(home)
    _reach(api_url)
    # One that is being started has no note yet, by which ``log_in`` would know it.
    os.environ[LOGIN] = home_server.make_login(home)
    os.environ.update(WITHOUT_QUESTIONS)
    home_server.use(home)
    _is_chosen = True
    _refresh()


def log_in(home: Path, url: str, *, using: bool = True) -> None:
    """Give the login of the home's servers where ``url`` is one of them.

    ``using`` counts this process among its users.
    """
    noted, stack = home_server.read_note(home), running_stack(home)
    is_noted = noted is not None and noted.api_url == url.rstrip("/")
    if is_noted or (stack is not None and stack.api_url == url.rstrip("/")):
        login = home_server.read_login(home)
        if login is not None:
            os.environ[LOGIN] = login
        if is_noted and using:
            home_server.use(home)


def without_login(home: Path) -> dict[str, str]:
    """Return this process's environment for a child that finds the home's login by itself."""
    login = home_server.read_login(home)
    return {name: v for name, v in os.environ.items() if name != LOGIN or v != login}


def set_manners() -> None:
    """Mark this process and its children, have it tell nobody of itself, and say that it lives."""
    before = dict(os.environ)
    _mark_environment()
    if os.environ != before:
        _refresh()


def _reach(url: str | None) -> None:
    """Have Prefect's clients talk to this server; None for one that they start themselves.

    Each of half a dozen clients would read the certificates of all authorities, 20 ms of processor,
    also where none is asked for.
    """
    is_plain = url is None or url.startswith("http://")
    if is_plain:
        os.environ.setdefault(_AUTHORITIES, _NO_AUTHORITY)
    elif os.environ.get(_AUTHORITIES) == _NO_AUTHORITY:
        del os.environ[_AUTHORITIES]
    if url is None:
        os.environ.pop("PREFECT_API_URL", None)
    else:
        os.environ["PREFECT_API_URL"] = url
    _reach_this_machine_directly()


def _reach_this_machine_directly() -> None:
    """Have no proxy asked for what is on this machine, where one is set at all."""
    if not any(name.lower() in _PROXIES for name in os.environ):
        return
    for variable in ("NO_PROXY", "no_proxy"):
        set_ = [one.strip() for one in os.environ.get(variable, "").split(",") if one.strip()]
        if "*" not in set_:
            os.environ[variable] = ",".join(dict.fromkeys([*set_, *_THIS_MACHINE]))


def _mark_environment() -> None:
    os.environ[HOLDER] = process_mark()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    _set_heartbeats()


def _refresh() -> None:
    """Have Prefect read its settings again: 0.15 s of processor, so once for many changes."""
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
    """Return the API of the server that flows use; None when the process has to start its own."""
    configured = configured_url()
    if configured:
        return configured
    stack = running_stack(settings.home)
    return stack.api_url if stack else None


def own_server_folder(home: Path) -> Path:
    """Return where a server of a process's own keeps its database and its log."""
    return home_server.folder(home)


def _use_running_server(home: Path) -> bool:
    """Use the home's server where it is running."""
    if not home_server.is_possible() or not home_server.use(home):
        return False
    found, login = home_server.running_server(home), home_server.read_login(home)
    if found is None or login is None or not home_server.answers(found.api_url, login):
        home_server.let_go(home)
        return False
    use_home_server(home, found.api_url)
    return True


def _use_own_server(home: Path) -> None:
    _live_in(home)
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    # Prefect starts it as it finds the environment.
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ[LOGIN] = home_server.make_login(home)
    own = DISPOSABLE | {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90"}
    for name, value in own.items():
        os.environ.setdefault(name, value)


def _live_in(home: Path) -> None:
    folder = own_server_folder(home)
    os.environ[OWN_SERVER] = "1"
    # Its own home, so that no profile of the user's sends it elsewhere.
    os.environ["PREFECT_HOME"] = str(folder)
    os.environ["PREFECT_PROFILES_PATH"] = str(folder / "profiles.toml")
