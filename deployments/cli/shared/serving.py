"""The Prefect server that commands use: the one that is configured, or the home's own."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from pathlib import Path

from autopack import home_server
from autopack.secrecy.memory import hide_memory
from autopack.settings import PREFECT_API_URL, Settings, process_environment
from deployments.cli.shared.output import note
from flows.configuration import check_configuration
from flows.server import (
    LOGIN,
    choose_server,
    log_in,
    own_server_folder,
    server_url,
    use_home_server,
)

_begun: dict[Path, Callable[[], None]] = {}


def check_server(settings: Settings) -> None:
    """Raise Refused when a Prefect server is configured and does not answer, or not to this login,
    BadInput when Prefect cannot read its configuration.
    """
    check_configuration()
    url = server_url(settings)
    if url is not None:
        hide_memory()  # from now on the login is in it
        log_in(settings.home, url, using=False)
        _check(url)


def start_server(settings: Settings, *, own: bool = False) -> Callable[[], None]:
    """Point this process at its Prefect server; where there is none, start the home's.

    Returns a function that returns once the server answers, so that what needs no server goes on
    while it starts. It raises Refused when the one that is configured does not answer, and
    WorkFailed when the home's does not start. ``own`` asks for one of the command's own whatever
    server is configured, which ends with this process.
    """
    hide_memory()  # from now on the login is in it
    if settings.home in _begun:
        return _begun[settings.home]
    check_configuration()
    url = None if own else _other_url(settings)
    if url is not None:
        choose_server(settings)
        return lambda: _check(url)
    if own or not home_server.is_possible():
        return _start_own(settings)
    from deployments.home_server import use_server

    used = use_server(settings, note)
    use_home_server(settings.home, used.api_url)

    def wait() -> None:
        used.wait()
        if PREFECT_API_URL.of() != used.api_url:  # its starter died
            use_home_server(settings.home, used.api_url)

    _begun[settings.home] = wait
    return wait


def _other_url(settings: Settings) -> str | None:
    """Return the server that is configured or that `autopack up` runs; not the home's own."""
    url, noted = server_url(settings), home_server.read_note(settings.home)
    is_own = noted is not None and url is not None and noted.api_url == url.rstrip("/")
    return None if is_own else url


def _start_own(settings: Settings) -> Callable[[], None]:
    from deployments.own_server import OwnServer

    choose_server(settings, own=True)
    server = OwnServer(
        own_server_folder(settings.home), process_environment(), login=process_environment()[LOGIN]
    )
    process_environment()["PREFECT_API_URL"] = server.api_url
    # Before Prefect is loaded, and so after Prefect has sent its last logs and events.
    atexit.register(server.end)
    return server.wait


def _check(url: str) -> None:
    from deployments.reaching import check_reachable  # its HTTP client would hold up OwnServer

    check_reachable(url)
