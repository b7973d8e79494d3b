"""The Prefect server that commands use: the one that is configured, or one of the command's own."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable

from autopack.settings import Settings
from deployments.own_server import OwnServer
from flows.server import choose_server, own_server_folder, server_url


def check_server(settings: Settings) -> None:
    """Raise Refused when a Prefect server is configured and does not answer."""
    url = server_url(settings)
    if url is not None:
        _check(url)


def start_server(settings: Settings, *, own: bool = False) -> Callable[[], None]:
    """Point this process at its Prefect server; where there is none, start one.

    Returns a function that returns once the server answers, so that what needs no server goes on
    while it starts. It raises Refused when the one that is configured does not answer, and
    WorkFailed when one of the command's own does not start. ``own`` asks for one of the command's
    own whatever is configured. It ends with this process.
    """
    url = None if own else server_url(settings)
    if url is not None:
        choose_server(settings)
        return lambda: _check(url)
    choose_server(settings, own=True)
    server = OwnServer(own_server_folder(settings.home), os.environ)
    os.environ["PREFECT_API_URL"] = server.api_url
    # Before Prefect is loaded, and so after Prefect has sent its last logs and events.
    atexit.register(server.end)
    return server.wait


def _check(url: str) -> None:
    from deployments.reaching import check_reachable  # its HTTP client would hold up OwnServer

    check_reachable(url)
