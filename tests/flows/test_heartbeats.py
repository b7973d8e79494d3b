"""Who is taken for dead: only flow runs that have promised to say that they live."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.projects import call, make_project

from flows.server import HEARTBEAT_TAG

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])

_LOOK = """
import json
import prefect
from prefect.settings import get_current_settings
from autopack.settings import Settings
from flows.server import choose_server, tags_of_runs
choose_server(Settings.from_environment())
print(json.dumps([get_current_settings().flows.heartbeat_frequency, tags_of_runs("more")]))
"""


@pytest.mark.parametrize(
    ("environ", "seconds", "tags"),
    [
        ({}, 30, ["autopack", HEARTBEAT_TAG, "more"]),
        # the user's own: not often enough to tell a crash by
        ({"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "120"}, 120, ["autopack", "more"]),
        # a worker started it, and the tag of its deployment has promised
        (
            {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "120", "PREFECT__FLOW_RUN_ID": "x"},
            30,
            ["autopack", HEARTBEAT_TAG, "more"],
        ),
    ],
)
def test_heartbeats_are_set_where_the_server_is_chosen(
    tmp_path: Path, engine_name: str, environ: dict[str, str], seconds: int, tags: list[str]
) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", _LOOK],
        env=kept | {"AUTOPACK_HOME": str(tmp_path)} | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [seconds, tags]


def test_the_automation_looks_at_no_others(engine_name: str) -> None:
    from deployments.safeguards import zombie_automation
    from deployments.setting_up import _content

    assert f"prefect.tag.{HEARTBEAT_TAG}" in str(zombie_automation().trigger)
    for deployment in _content()["deployments"]:
        assert HEARTBEAT_TAG in deployment["tags"]
        env = deployment["work_pool"]["job_variables"]["env"]
        assert env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == HEARTBEAT_TAG.rpartition("-")[2]


@pytest.mark.full
@pytest.mark.slow
async def test_a_build_longer_than_that_is_no_crash(home: Path, tmp_path: Path) -> None:
    from prefect import get_client

    from deployments.safeguards import create_missing
    from flows import execute_runs

    await create_missing()
    builds: list[list[dict[str, Any]]] = [[call(7), {"delay": 130}, {"files": {"a": "1"}}]]
    project = make_project(tmp_path, {"one": builds})
    running = asyncio.create_task(
        execute_runs(
            plans=[str(project.plan)],
            repo=str(project.repository),
            builder_options=f"recording={project.recording}",
            run_id="long",
        )
    )
    (result,) = await running
    assert result["success"]
    async with get_client() as client:
        for flow_run in await client.read_flow_runs():
            if flow_run.name == "long-1":
                states = await client.read_flow_run_states(flow_run.id)
                assert "Crashed" not in [state.name for state in states]
