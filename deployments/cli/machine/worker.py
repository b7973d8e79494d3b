"""`autopack worker`: execute the flow runs of a Prefect server on this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import BadInput
from autopack.process.leftovers import HOLDER
from autopack.secrecy.memory import hide_memory
from autopack.settings import Settings, process_environment
from deployments.cli.shared.streams import stdout_to_stderr
from deployments.reaching import check_reachable
from deployments.setting_up import POOL
from flows.configuration import check_configuration
from flows.server import log_in, server_url, set_manners

Warm = Annotated[
    bool | None,
    Parameter(
        help="Fork flow runs from a process that has loaded them; else each starts a new Python. "
        "AUTOPACK_WARM_WORKER when not said."
    ),
]


def worker(
    *,
    pool: Annotated[str, Parameter(help="The work pool to serve.")] = POOL,
    name: Annotated[str | None, Parameter(help="The worker's name in the UI.")] = None,
    limit: Annotated[int | None, Parameter(help="The most flow runs at once.")] = None,
    warm: Warm = None,
) -> int:
    """Run a Prefect worker.

    It executes the flow runs that your Prefect server schedules, until Ctrl-C. The server is the
    one of PREFECT_API_URL, the active Prefect profile, or `autopack up`. `autopack deploy` makes
    what it needs there.
    """
    if limit is not None and limit < 1:
        raise BadInput(f"invalid limit: {limit}", field="limit", hint="use a number from 1")
    words = ["--pool", pool]
    words += [] if name is None else ["--name", name]
    words += [] if limit is None else ["--limit", str(limit)]
    serve(Settings.from_environment(), words, warm=warm)
    return 0


def serve(settings: Settings, words: list[str], *, warm: bool | None) -> None:
    """Be a worker until told to end; ``words`` are options of `prefect worker start`."""
    check_configuration()
    url = server_url(settings)
    if url is None:
        raise BadInput(
            "no Prefect server is configured",
            field="PREFECT_API_URL",
            hint="set PREFECT_API_URL to its API, or start one with `autopack up`",
        )
    hide_memory()  # from now on it holds the login
    set_manners()
    log_in(settings.home, url)
    check_reachable(url)
    process_environment()["PREFECT_API_URL"] = url
    process_environment().pop(HOLDER, None)  # what a flow run starts is the flow run's
    from deployments.warm.__main__ import serve as be_a_worker

    stdout_to_stderr()  # Prefect logs to both
    be_a_worker("warm" if with_warm(settings, warm).warm_worker else "plain", *words)


def with_warm(settings: Settings, warm: bool | None) -> Settings:
    """Return the settings with what an option says; they say what it does not."""
    if warm is None:
        return settings
    return replace(settings, warm_worker=warm and hasattr(os, "fork"))
