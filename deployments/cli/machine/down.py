"""`autopack down`: end the Prefect server of this home."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Annotated, Any

from cyclopts import Parameter

from autopack import home_server
from autopack.model.errors import Refused, WorkFailed
from autopack.settings import Settings
from autopack.stack import Stack, running_stack
from deployments.cli.shared.output import AsJson, out, print_json

_STACK_SECONDS = 60.0


def down(
    *,
    force: Annotated[
        bool, Parameter(negative="", help="Also while commands use it; their runs wait for it.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """End the Prefect server of this home.

    The one started on demand, and `autopack up`. Nothing is lost: the next command that needs a
    server starts one, and runs that a worker of `autopack up` was executing can be resumed.
    """
    from deployments.home_server import end_server

    settings = Settings.from_environment()
    ended: list[dict[str, Any]] = []
    found = home_server.running_server(settings.home)
    users = home_server.lock_users_out(settings.home) if found is not None else None
    if found is not None and users is None and not force:
        raise Refused(
            f"commands of this home are using its Prefect server, {found.api_url}",
            hint="wait until they end, or use --force, which leaves their runs waiting for it",
        )
    stack = running_stack(settings.home)
    try:
        if found is not None:
            home_server.remove_note(settings.home)  # so that nobody starts it again
            end_server(settings.home, found)
            ended.append({"api_url": found.api_url, "pid": found.pid, "started_by": "on demand"})
    finally:
        if users is not None:
            os.close(users)
    if stack is not None:
        _end_stack(stack)
        ended.append({"api_url": stack.api_url, "pid": stack.pid, "started_by": "up"})
    if as_json:
        print_json({"ended": ended})
        return 0
    for one in ended:
        out.print(f"ended  {one['api_url']}  (pid {one['pid']}, {one['started_by']})")
    if not ended:
        out.print("no Prefect server of this home is running")
    return 0


def _end_stack(stack: Stack) -> None:
    """Ask `autopack up` to end as Ctrl-C does, and wait until it has."""
    with suppress(ProcessLookupError):
        os.kill(stack.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STACK_SECONDS
    while stack.is_running():
        if time.monotonic() > deadline:
            raise WorkFailed(f"`autopack up`, pid {stack.pid}, does not end")
        time.sleep(0.1)
