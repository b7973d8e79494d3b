"""What a Prefect server needs besides deployments: a work pool, blocks, limits, an automation.

Creates what is missing and leaves everything else as it is, since an operator may have changed
it in the UI.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from httpx import HTTPStatusError
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypesOrUnknown, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from autopack.agents.model_providers import PROVIDERS
from autopack.agents.registry import builder_classes
from blocks.kinds import KINDS
from deployments.notifying import create_notifications
from deployments.renewing import renew
from deployments.setting_up import POOL, declared_deployments
from flows.server import HEARTBEAT_SECONDS, HEARTBEAT_TAG
from tasks.away import is_forbidden
from tasks.slots import builder_limit, provider_limit

ZOMBIES = "autopack-zombies"
BUILDER_SLOTS = 10
PROVIDER_SLOTS = 20
# Three heartbeats: one may be lost, and a busy server may be late with another.
SILENCE = timedelta(seconds=3 * HEARTBEAT_SECONDS)
_FORMER_TAG = "prefect.tag.autopack"


def default_limits() -> dict[str, int]:
    """Return how many builds may run at once, on all machines together, until an operator
    says.
    """
    # Any number of those may build at once that call nobody.
    paid = [one.name for one in builder_classes() if not one.simulated]
    builders = {builder_limit(name): BUILDER_SLOTS for name in paid}
    return builders | {provider_limit(name): PROVIDER_SLOTS for name in PROVIDERS}


def zombie_automation() -> AutomationCore:
    """Marks a flow run Crashed whose machine was lost: it was alive, and said nothing since."""
    crash: list[ActionTypesOrUnknown] = [
        ChangeFlowRunState(
            name=None,
            state=StateType.CRASHED,
            message="no heartbeat: the process or its machine is gone",
            # A flow run that has ended stays what it is: the trigger misses the end of some that
            # take but a few seconds.
            force=False,
        )
    ]
    return AutomationCore(
        name=ZOMBIES,
        description="Mark runs of Autopack whose process is gone as crashed.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {
                    "prefect.resource.role": "tag",
                    # Only of those that say so often enough.
                    "prefect.resource.id": f"prefect.tag.{HEARTBEAT_TAG}",
                }
            ),
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            # Another heartbeat, or what says that there will be none for a good reason.
            expect={
                f"prefect.flow-run.{name}"
                for name in (
                    "heartbeat",
                    "Completed",
                    "Failed",
                    "Cancelled",
                    "Crashed",
                    "Paused",
                    "Suspended",
                    "AwaitingApproval",
                    "AwaitingRetry",
                )
            },
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=crash,
    )


async def create_missing() -> list[str]:
    """Create the work pool, the limits and the automation that this server does not have.

    Returns what the login may not do; runs work without.
    """
    refused: list[str] = []
    async with get_client() as client:
        try:
            await client.read_work_pool(POOL)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        for what, step in (
            ("limits", _create_limits),
            ("automations", _create_automation),
            ("notifications", create_notifications),
        ):
            try:
                await step(client)
            except HTTPStatusError as error:
                if not is_forbidden(error):
                    raise
                refused.append(what)
    return refused


async def _create_limits(client: PrefectClient) -> None:
    limits = {limit.name for limit in await _limits(client)}
    for name, slots in default_limits().items():
        if name not in limits:
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=name, limit=slots)
            )


async def _create_automation(client: PrefectClient) -> None:
    found = await client.read_automations_by_name(ZOMBIES)
    if not found:
        await client.create_automation(zombie_automation())
    for automation in found:
        trigger = str(automation.trigger)
        if _FORMER_TAG in trigger and HEARTBEAT_TAG not in trigger:
            # It took the silence of flow runs that say so seldom, or never, for a crash.
            renewed = automation.model_copy(update={"trigger": zombie_automation().trigger})
            fields = AutomationCore.model_validate(
                renewed.model_dump(include=set(AutomationCore.model_fields))
            )
            await client.update_automation(automation.id, fields)


async def register_blocks() -> None:
    """Make the kinds of blocks known, as `prefect block register -m blocks` does."""
    for kind in KINDS.values():
        await kind.aregister_type_and_schema()


async def existing(deployments: list[str], refused: list[str]) -> dict[str, Any]:
    """Return what this server has of Autopack's besides these: the JSON of `autopack deploy`."""
    async with get_client() as client:
        pool = await client.read_work_pool(POOL)
        listed = [] if "limits" in refused else await _limits(client)
        limits = [one for one in listed if one.name.startswith("autopack-")]
        listed = [] if "automations" in refused else await client.read_automations()
        automations = [one for one in listed if one.name.startswith("autopack-")]
        kinds = await client.read_block_types()
    return {
        "api_url": str(client.api_url).rstrip("/"),
        "work_pool": {"name": pool.name, "type": pool.type},
        "deployments": sorted(deployments),
        "blocks": sorted(one.slug for one in kinds if one.slug.startswith("autopack-")),
        "limits": {one.name: one.limit for one in limits if one.active},
        "automations": {one.name: one.enabled for one in automations},
        "refused": refused,
    }


async def _limits(client: PrefectClient) -> list[Any]:
    found: list[Any] = []
    while True:
        page = await client.read_global_concurrency_limits(limit=200, offset=len(found))
        found += page
        if len(page) < 200:
            return found


async def create_and_show(command: str | None) -> dict[str, Any]:
    """Create what is missing, renew the deployments that exist, and return what there is."""
    refused = await create_missing()
    await register_blocks()
    async with get_client() as client:
        renewed = await renew(client, declared_deployments(), command)
    return await existing(renewed, refused)
