"""Deployments that a Prefect server has already: they get today's code and keep all else.

`prefect deploy` would write parameters, job variables, tags, limits and the rest back to what
prefect.yaml says, whatever an operator made of them in the UI.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from deployments.setting_up import ENGINE, POOL, Declared
from deployments.version import code_version
from flows.server import HEARTBEAT_TAG


async def renew(client: PrefectClient, all_: Sequence[Declared], command: str | None) -> list[str]:
    """Bring those of the deployments that exist up to date; return their full names.

    ``command`` is what workers start for a flow run, None where they choose for themselves.
    """
    found: list[str] = []
    for declared in all_:
        try:
            existing = await client.read_deployment_by_name(declared.full_name)
        except ObjectNotFound:
            continue
        found.append(declared.full_name)
        changes = _changes(existing, declared, command)
        if changes:
            await client.update_deployment(existing.id, DeploymentUpdate(**changes))
    return found


def _changes(
    existing: DeploymentResponse, declared: Declared, command: str | None
) -> dict[str, Any]:
    """Return what an existing deployment has to be told: where its code is and what that takes."""
    flow: Any = load_flow_from_entrypoint(declared.entrypoint)
    wanted: dict[str, Any] = {
        "entrypoint": declared.entrypoint,
        "version": code_version(),
        "pull_steps": list(declared.pull),
        "parameter_openapi_schema": parameter_schema(flow).model_dump(exclude_unset=True),
    }
    if existing.work_pool_name is None:  # its pool was deleted, and no worker would find it
        wanted |= {"work_pool_name": POOL, "work_queue_name": "default"}
    if "autopack" in existing.tags and HEARTBEAT_TAG not in existing.tags:
        wanted["tags"] = [*existing.tags, HEARTBEAT_TAG]  # without it no crash would be noticed
    if declared.concurrency_limit is not None and existing.global_concurrency_limit is None:
        wanted["concurrency_limit"] = declared.concurrency_limit["limit"]
        wanted["concurrency_options"] = ConcurrencyOptions(
            collision_strategy=declared.concurrency_limit["collision_strategy"]
        )
    variables = existing.job_variables
    # An earlier stack may have had another Python; what an operator wrote there stays.
    if command is not None and str(variables.get("command", "")).endswith(ENGINE):
        wanted["job_variables"] = variables | {"command": command}
    # By what is stored: reading a field that Prefect calls deprecated would warn.
    stored = vars(existing)
    return {name: value for name, value in wanted.items() if value != stored.get(name)}
