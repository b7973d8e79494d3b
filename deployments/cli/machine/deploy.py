"""`autopack deploy`: the configured Prefect server gets what runs need."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from autopack.model.errors import BadInput
from autopack.secrecy.credentials import shown_address
from autopack.settings import Settings, process_environment
from deployments.advice import advice
from deployments.cli.machine.worker import serve
from deployments.cli.shared.output import AsJson, note, out, print_json
from deployments.reaching import check_reachable
from deployments.setting_up import set_up
from flows.configuration import check_configuration
from flows.server import choose_server, server_url


def deploy(
    *,
    worker: Annotated[
        bool, Parameter(help="Then be a worker, until Ctrl-C; see `autopack worker`.", negative="")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Set up your Prefect server for runs.

    It gets the work pool, deployments, blocks, limits and automations. The server is the one of
    PREFECT_API_URL, the active Prefect profile, or `autopack up`. Doing it again is harmless: what
    you changed in the UI stays.
    """
    settings = Settings.from_environment()
    check_configuration()
    url = server_url(settings)
    if url is None:
        raise BadInput(
            "no Prefect server is configured",
            field="PREFECT_API_URL",
            hint="set PREFECT_API_URL to its API, or start one with `autopack up`",
        )
    choose_server(settings)
    check_reachable(url)
    note(f"setting up {shown_address(url)}")
    found = set_up({**process_environment(), "PREFECT_API_URL": url})
    found["advice"] = advice(url, settings.home)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if worker:
        serve(settings, ["--pool", found["work_pool"]["name"]], warm=None)
    return 0


def _print(found: dict[str, Any]) -> None:
    pool = found["work_pool"]
    out.print(f"server       {found['api_url']}")
    out.print(f"work pool    {pool['name']} ({pool['type']})")
    out.print(f"deployments  {', '.join(found['deployments'])}")
    out.print(f"blocks       {', '.join(found['blocks'])}")
    limits = ", ".join(f"{name} {limit}" for name, limit in found["limits"].items())
    out.print(f"limits       {limits}")
    automations = (
        name if enabled else f"{name} (off)" for name, enabled in found["automations"].items()
    )
    out.print(f"automations  {', '.join(automations)}")
    out.print(f"a worker     {worker_command(pool['name'], pool['type'])}")
    if pool["type"] == "process":
        out.print("             or `autopack worker`, which starts flow runs sooner")
    for what in found["refused"]:
        note(f"{what}: this login may not create or read them; runs work without")
    for text in found["advice"]:
        note(text)


def worker_command(pool: str, kind: str) -> str:
    """Return what starts a worker of the pool; only the process worker is part of Prefect
    itself.
    """
    command = f"prefect worker start --pool {pool} --type {kind}"
    return command if kind == "process" else f"uv run --with prefect-{kind} {command}"
