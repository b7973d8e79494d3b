"""Slots for builds: who has to wait, who never asks, and what waiting costs."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from autopack.stack import OWN_SERVER
from tasks import slots

NAME = "autopack-builder-script"


@pytest.fixture(autouse=True)
def shared_server(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OWN_SERVER, raising=False)
    monkeypatch.setattr(slots, "_known", {})


def test_a_limit_is_named_after_the_builder_and_not_after_its_block() -> None:
    assert slots.builder_limit("claude-code/work") == "autopack-builder-claude-code"
    assert slots.provider_limit("anthropic") == "autopack-provider-anthropic"


async def test_only_limits_that_exist_and_are_switched_on_are_asked_for() -> None:
    async with get_client() as client:
        for name, active in (("autopack-there", True), ("autopack-off", False)):
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=name, limit=1, active=active)
            )
    names = ["autopack-there", "autopack-off", "autopack-missing"]
    assert await slots._existing(names) == ["autopack-there"]


async def test_all_limits_are_seen_however_many_there_are() -> None:
    names = [f"autopack-many-{number}" for number in range(2 * slots._PAGE + 1)]
    async with get_client() as client:
        for name in names:
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=name, limit=1)
            )
    assert await slots._existing(names) == names


async def test_what_is_limited_later_is_seen_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["autopack-later"]
    assert await slots._existing(names) == []
    async with get_client() as client:
        await client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name="autopack-later", limit=1)
        )
    assert await slots._existing(names) == []
    monkeypatch.setattr(slots, "_KNOWN_SECONDS", 0.0)
    assert await slots._existing(names) == names


async def test_a_login_that_may_not_list_them_may_be_limited_by_tags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = httpx.Request("POST", "http://server/api/v2/concurrency_limits/filter")
    refused = httpx.HTTPStatusError("no", request=request, response=httpx.Response(403))

    async def forbid(*_: Any, **__: Any) -> Any:
        raise refused

    monkeypatch.setattr(PrefectClient, "read_global_concurrency_limits", forbid)
    monkeypatch.setattr(slots, "get_run_logger", lambda: logging.getLogger("autopack"))
    assert slots.limits_on("r", "p", ["t"]) is slots.Limits.UNKNOWN
    await slots.learn_limits()
    assert slots.limits_on("r", "p", ["t"]) is slots.Limits.TAGS


async def test_a_server_of_the_process_own_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWN_SERVER, "1")
    assert await slots._existing([NAME]) == []
    assert slots._known == {}
