"""`autopack up`: a local Prefect with UI, worker and deployments, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Annotated

from cyclopts import Parameter

from autopack.home_server import login_file
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.machine.worker import Warm, with_warm
from deployments.cli.shared.output import AsJson, note, out, print_json
from deployments.local import local_stack
from flows.configuration import check_configuration


def up(
    *,
    port: Annotated[int | None, Parameter(help="The server's port; 4200 or a free one.")] = None,
    sqlite: Annotated[
        bool, Parameter(help="Run Prefect on SQLite, for systems without the wheel.", negative="")
    ] = False,
    warm: Warm = None,
    api: Annotated[bool, Parameter(help="Serve the HTTP API and its page, too.")] = True,
    as_json: AsJson = False,
) -> int:
    """Start a local Prefect with UI and worker.

    With the work pool, the deployments, the blocks and the API. It stays in the foreground and ends
    with Ctrl-C. Every other command of this home finds it.
    """
    settings = with_warm(Settings.from_environment(), warm)
    check_configuration()
    Database.open(settings.database_url).close()
    stopping, is_ready = threading.Event(), False

    def stop(number: int, frame: FrameType | None) -> None:
        if not is_ready and not stopping.is_set():
            stopping.set()
            raise KeyboardInterrupt  # ends what has been started, and waits for nothing else
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with local_stack(settings, port=port, sqlite=sqlite, api=api, say=note) as stack:
        is_ready = True
        login = str(login_file(settings.home))
        if as_json:
            print_json(
                {
                    "ui_url": stack.url,
                    "api_url": stack.api_url,
                    "login_file": login,
                    "runs_api_url": stack.runs_api,
                    "created": stack.created,
                }
            )
        else:
            out.print(f"Prefect UI   {stack.url}")
            out.print(f"login        the UI asks for it once; it is the line in {login}")
            out.print(f"deployment   {stack.url}/deployments  (execute-run/run)")
            if stack.runs_api is not None:
                out.print(
                    f"operations   {stack.runs_api}/ui/  (`autopack api user add NAME` signs in)"
                )
                out.print(f"HTTP API     {stack.runs_api}")
            out.print("Ctrl-C ends it, as does `autopack down`")
        stack.watch(stopping)
    return 0
