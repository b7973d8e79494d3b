"""Slots for builds: who has to wait, who never asks, and what waiting costs."""

from __future__ import annotations

import pytest
from prefect import get_client
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


async def test_all_limits_are_seen_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_PAGE", 2)
    names = [f"autopack-many-{number}" for number in range(5)]
    async with get_client() as client:
        for name in names:
            await client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=name, limit=1)
            )
    assert await slots._existing(names) == names


async def test_a_server_of_the_process_own_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWN_SERVER, "1")
    assert await slots._existing([NAME]) == []
    assert slots._known == {}
