"""Starting a stored run apart from who asks: `python -m deployments.start_run RUN_ID DESCRIPTOR`.

A worker executes it where one has lately asked the Prefect server for runs of the deployment, else
this process does, as `autopack resume` would. Which of the two is written to the descriptor, as one
JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from autopack.clock import SystemClock
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.reaching import unreachable
from flows.server import choose_server, server_url


def main(run_id: str, descriptor: int) -> int:
    """Start the run, say how, and return the exit status."""
    settings = Settings.from_environment()
    flow_run_id = _submitted(run_id, settings)
    by = "process" if flow_run_id is None else "deployment"
    told: dict[str, Any] = {"by": by, "flow_run_id": flow_run_id}
    with os.fdopen(descriptor, "w", encoding="utf-8") as answer:
        json.dump(told | {"pid": os.getpid() if flow_run_id is None else None}, answer)
    if flow_run_id is not None:
        return 0
    from deployments.cli.runs.runs import execute_stored

    return execute_stored(run_id, Database.open(settings.database_url), settings, as_json=True)


def _submitted(run_id: str, settings: Settings) -> str | None:
    """Return the flow run that a worker will execute; None where none has asked for runs lately."""
    url = server_url(settings)
    if url is None:
        return None
    choose_server(settings)
    if unreachable(url, seconds=5) is not None:
        return None
    from prefect import get_client
    from prefect.client.schemas.objects import DeploymentStatus

    from autopack.model.errors import BadInput
    from flows.executors import check_executor, deployment_name, submit

    async def ask() -> str | None:
        try:
            await check_executor("deployment", None, settings)
        except BadInput:
            return None
        name = deployment_name(None, settings)
        async with get_client() as client:
            if (await client.read_deployment_by_name(name)).status is not DeploymentStatus.READY:
                return None
        db = Database.open(settings.database_url, clock=SystemClock())
        return str((await submit(run_id, name, db=db)).id)

    return asyncio.run(ask())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
