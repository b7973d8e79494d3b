"""The Prefect server that commands use: the one that is configured, or one of the command's own."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable

from autopack.settings import Settings
from deployments.own_server import OwnServer
from flows.server import choose_server, own_server_folder, server_url


def start_server(settings: Settings, *, own: bool = False) -> Callable[[], None]:
    """Point this process at its Prefect server; where there is none, start one.

    Returns a function that returns once the server answers, so that what needs no server goes on
    while it starts, and that raises WorkFailed when a server of the command's own does not
    start. ``own`` asks for one of the command's own whatever is configured. It ends with this
    process.
    """
    if not own and server_url(settings) is not None:
        choose_server(settings)
        return lambda: None
    choose_server(settings, own=True)
    server = OwnServer(own_server_folder(settings.home), os.environ)
    os.environ["PREFECT_API_URL"] = server.api_url
    # Before Prefect is loaded, and so after Prefect has sent its last logs and events.
    atexit.register(server.end)
    return server.wait
