"""What an existing deployment is told when it is deployed again."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from deployments.renewing import renew
from deployments.setting_up import Declared, declared_deployments
from flows.server import HEARTBEAT_TAG

COMMAND = "/new/bin/python -P -m prefect.engine"


class Server:
    """Keeps one deployment, as Prefect's client would show and change it."""

    def __init__(self, full_name: str, **values: Any) -> None:
        self.full_name = full_name
        given: dict[str, Any] = {
            "work_pool_name": "mine",
            "job_variables": {"env": {"A": "1"}},
        } | values
        self.deployment = DeploymentResponse(
            id=uuid4(), name="x", flow_id=uuid4(), labels={}, **given
        )
        self.told: list[dict[str, Any]] = []

    async def read_deployment_by_name(self, name: str) -> DeploymentResponse:
        if name != self.full_name:
            raise ObjectNotFound(Exception(name))
        return self.deployment

    async def update_deployment(self, _: Any, update: Any) -> None:
        self.told.append(update.model_dump(exclude_unset=True))
        self.deployment = self.deployment.model_copy(update=self.told[-1])


@pytest.fixture
def maintain() -> Declared:
    return next(one for one in declared_deployments() if one.full_name == "maintain/maintain")


def again(server: Server, declared: Declared, command: str | None = None) -> list[dict[str, Any]]:
    """What the server is told when the deployment is deployed again."""
    server.told.clear()
    asyncio.run(renew(server, [declared], command))  # pyright: ignore[reportArgumentType]
    return server.told


def test_only_the_code_and_what_it_takes_are_told(maintain: Declared) -> None:
    server = Server(maintain.full_name)
    (told,) = again(server, maintain)
    assert set(told) == {"entrypoint", "version", "pull_steps", "parameter_openapi_schema"}
    assert again(server, maintain) == [], "and once is enough"


def test_what_does_not_exist_is_left_to_prefect(maintain: Declared) -> None:
    server = Server("maintain/another")
    assert asyncio.run(renew(server, [maintain], None)) == []  # pyright: ignore[reportArgumentType]


# the command that a deployment has, and the one that it has afterwards
@pytest.mark.parametrize(
    ("before", "after"),
    [
        # of an earlier stack, whose Python may be gone
        ({"command": "/old/bin/python -P -m prefect.engine"}, COMMAND),
        # an operator's own, and none
        ({"command": "nice python -m mine"}, "nice python -m mine"),
        ({}, None),
    ],
)
def test_the_command_of_another_stack_is_replaced_and_nothing_else(
    maintain: Declared, before: dict[str, str], after: str | None
) -> None:
    server = Server(maintain.full_name, job_variables={"env": {"A": "1"}, **before})
    again(server, maintain, COMMAND)
    variables = server.deployment.job_variables
    assert (variables.get("command"), variables["env"]) == (after, {"A": "1"})


def test_a_deployment_whose_pool_was_deleted_gets_it_back(maintain: Declared) -> None:
    (told,) = again(Server(maintain.full_name, work_pool_name=None), maintain)
    assert (told["work_pool_name"], told["work_queue_name"]) == ("autopack", "default")


def test_what_an_older_version_deployed_gets_the_tag_of_its_heartbeats(maintain: Declared) -> None:
    server = Server(maintain.full_name, tags=["autopack", "mine"])
    (told,) = again(server, maintain)
    assert told["tags"] == ["autopack", "mine", HEARTBEAT_TAG]
    assert again(server, maintain) == []


def test_reconciliation_of_an_older_version_gets_its_limit() -> None:
    reconcile = next(d for d in declared_deployments() if d.full_name == "reconcile/reconcile")
    (told,) = again(Server(reconcile.full_name), reconcile)
    assert told["concurrency_limit"] == 1
    assert told["concurrency_options"] == {"collision_strategy": "CANCEL_NEW"}


def test_a_deployment_has_the_commit_of_its_code(maintain: Declared) -> None:
    (told,) = again(Server(maintain.full_name), maintain)
    assert re.fullmatch("[0-9a-f]{40}", told["version"])
