"""`autopack deploy`: a Prefect server gets what runs need, and keeps what an operator changed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.prefect_server import running
from support.processes import Machine, kill_tree
from support.projects import Project, call, make_project
from support.stack import is_building, run_named, wait_for

from flows.server import HEARTBEAT_TAG

PREFECT = str(Path(sys.executable).parent / "prefect")
ZOMBIES = "autopack-zombies"


@pytest.fixture(scope="module")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that somebody else started, as Prefect's manual says; here writes may be refused."""
    with running(
        tmp_path_factory.mktemp("server"), *["-m", "prefect", "server", "start", "--port"]
    ) as api:
        yield api


@pytest.fixture
def deployed(machine: Machine) -> Machine:
    answer = machine.run("deploy", "--json")
    assert answer.code == 0, answer.stderr
    return machine


def api(machine: Machine, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(method, f"{machine.prefect_api}{path}", json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def automation(machine: Machine) -> dict[str, Any]:
    listed = api(machine, "POST", "/automations/filter", {})
    return next(one for one in listed if one["name"] == ZOMBIES)


@pytest.mark.full
def test_what_an_operator_changed_stays_when_it_is_deployed_again(deployed: Machine) -> None:
    limit = "/v2/concurrency_limits/autopack-provider-openai"
    api(deployed, "PATCH", limit, {"limit": 3})
    run = api(deployed, "GET", "/deployments/name/execute-run/run")
    nightly = run["schedules"][0]
    api(deployed, "PATCH", f"/deployments/{run['id']}/schedules/{nightly['id']}", {"active": True})
    hourly = {"active": True, "schedule": {"interval": 3600}}
    api(deployed, "POST", f"/deployments/{run['id']}/schedules", [hourly])
    api(deployed, "PATCH", f"/automations/{automation(deployed)['id']}", {"enabled": False})
    api(deployed, "PATCH", "/work_pools/autopack", {"concurrency_limit": 7})
    api(deployed, "POST", "/work_pools/", {"name": "elsewhere", "type": "process"})
    changed: dict[str, Any] = {
        "parameters": {"builder": "claude-code"},
        "job_variables": {"env": {"MY_OWN": "{{ prefect.variables.mine }}"}},
        "tags": ["autopack", HEARTBEAT_TAG, "mine"],
        "description": "Ours, at night.",
        "paused": True,
        "work_pool_name": "elsewhere",
        "work_queue_name": "slow",
    }
    path = f"/deployments/{run['id']}"
    api(deployed, "PATCH", path, changed | {"concurrency_limit": 2, "entrypoint": "old.run:gone"})

    again = deployed.run("deploy", "--json")

    assert again.code == 0, again.stderr
    assert again.json["limits"]["autopack-provider-openai"] == 3
    assert set(again.json["automations"].values()) == {False}
    assert ZOMBIES in again.json["automations"]
    assert "execute-run/run" in again.json["deployments"]
    assert "autopack-builder-claude-code" in again.json["blocks"]
    kept = api(deployed, "GET", path)
    assert {name: kept[name] for name in changed} == changed
    assert kept["global_concurrency_limit"]["limit"] == 2
    assert kept["entrypoint"] == run["entrypoint"], "what Autopack decides is brought up to date"
    assert kept["parameter_openapi_schema"] == run["parameter_openapi_schema"]
    schedules = kept["schedules"]
    assert sorted(str(one["slug"]) for one in schedules) == ["None", "nightly"]
    assert all(one["active"] for one in schedules)
    assert api(deployed, "GET", "/work_pools/autopack")["concurrency_limit"] == 7

    api(deployed, "DELETE", path)
    once_more = deployed.run("deploy", "--json")
    assert once_more.json["deployments"] == again.json["deployments"]
    made = api(deployed, "GET", "/deployments/name/execute-run/run")
    assert (made["id"] != run["id"], made["tags"], made["work_pool_name"]) == (
        True,
        ["autopack", HEARTBEAT_TAG],
        "autopack",
    )


@pytest.mark.full
def test_a_server_that_does_not_answer_is_named(machine: Machine) -> None:
    answer = machine.run("deploy", "--json", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert answer.code == 2
    assert answer.json["error"]["field"] == "PREFECT_API_URL"
    assert "127.0.0.1:9" in answer.json["error"]["message"]


def test_without_a_server_it_says_how_to_name_one(machine: Machine, tmp_path: Path) -> None:
    alone = Machine(machine.home, machine.database_url, None)
    answer = alone.run("deploy", "--json", PREFECT_PROFILES_PATH=str(tmp_path / "none"))
    assert answer.code == 2
    assert "autopack up" in answer.json["error"]["hint"]


@pytest.fixture
def one_at_a_time(machine: Machine) -> Iterator[None]:
    """Lets builds of the script builder take turns."""
    name = "autopack-builder-script"
    api(machine, "POST", "/v2/concurrency_limits/", {"name": name, "limit": 1})
    yield
    api(machine, "DELETE", f"/v2/concurrency_limits/{name}")


def slow_project(folder: Path, seconds: float) -> Project:
    return make_project(folder, {"one": [[call(5), {"delay": seconds}, {"files": {"a": "1"}}]]})


def builds(machine: Machine, *run_ids: str) -> list[tuple[datetime, datetime]]:
    """When the builds of runs began and ended, in order."""
    from autopack.store.database.engine import Database
    from autopack.store.runs import get_attempts

    db = Database.open(machine.database_url)
    found = [
        (one.started_at, one.built_at)
        for run_id in run_ids
        for one in get_attempts(db, run_id)
        if one.built_at is not None
    ]
    db.close()
    return sorted(found)


@pytest.mark.slow
def test_processes_build_no_more_at_once_than_the_limit_allows(
    machine: Machine, one_at_a_time: None, tmp_path: Path
) -> None:
    ids = ["a", "b", "c"]
    processes = [
        machine.start("run", *slow_project(tmp_path / one, 3).run_args, "--run-id", one, "--json")
        for one in ids
    ]
    said = [process.communicate(timeout=180) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said

    times = builds(machine, *ids)
    assert len(times) == 3
    for (_, ended), (began, _) in pairwise(times):
        assert ended <= began
    for one in ids:
        minutes = machine.run("show", one, "--json").json["budget"]["spent"]["minutes"]
        assert minutes * 60 < 3 + 12, "waiting is not working time"


@pytest.mark.slow
def test_a_run_that_waits_for_a_slot_can_be_cancelled(
    machine: Machine, one_at_a_time: None, tmp_path: Path
) -> None:
    first = slow_project(tmp_path / "first", 120)
    second = slow_project(tmp_path / "second", 1)
    holding = machine.start("run", *first.run_args, "--run-id", "holding", "--json")
    wait_for("the build", lambda: is_building(machine, "holding"))
    waiting = machine.start("run", *second.run_args, "--run-id", "waiting", "--json")
    wait_for("the second run", lambda: is_under_way(machine, "waiting"))
    time.sleep(2)

    cancelled = machine.run("cancel", "waiting", "--json")

    assert cancelled.json["state"] == "DONE_CANCELLED"
    assert cancelled.json["phases"][0]["decisions"] == [], "nothing was started"
    assert waiting.wait(timeout=30) == 1
    machine.run("cancel", "holding")
    assert holding.wait(timeout=30) == 1


def is_under_way(machine: Machine, run_id: str) -> bool:
    run = run_named(machine, run_id)
    return run is not None and run["state"] == "PHASE_EXECUTION"


@pytest.mark.full
def test_a_flow_run_whose_machine_was_lost_ends_crashed(deployed: Machine, tmp_path: Path) -> None:
    trigger = automation(deployed)
    # One heartbeat is late after 30 s; an operator may be less patient than the default.
    hasty = trigger["trigger"] | {"within": 40}
    body = {key: trigger[key] for key in ("name", "description", "actions")}
    api(
        deployed,
        "PUT",
        f"/automations/{trigger['id']}",
        body | {"enabled": True, "trigger": hasty},
    )
    project = slow_project(tmp_path, 300)
    run = api(deployed, "GET", "/deployments/name/execute-run/run")
    parameters = {
        "plan": str(project.plan),
        "repo": str(project.repository),
        "builder_options": f"recording={project.recording}",
        "run_id": "lost",
    }
    flow_run = api(
        deployed, "POST", f"/deployments/{run['id']}/create_flow_run", {"parameters": parameters}
    )
    worker = subprocess.Popen(
        [PREFECT, "worker", "start", "--pool", "autopack", "--type", "process"],
        env=deployed.environment(PREFECT_WORKER_QUERY_SECONDS="2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for("the build", lambda: is_building(deployed, "lost"), 90)
    finally:
        kill_tree(worker.pid)

    def ended() -> Any:
        found = api(deployed, "GET", f"/flow_runs/{flow_run['id']}")
        return found if found["state_type"] != "RUNNING" else None

    crashed = wait_for("the end", ended, 150)
    assert crashed["state_type"] == "CRASHED"
    assert "no heartbeat" in crashed["state"]["message"]
    deployed.run("cancel", "lost")
