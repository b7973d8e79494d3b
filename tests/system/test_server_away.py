"""A Prefect server that is away for a while: the build goes on, and then the run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Machine
from support.projects import Project, call, make_project
from support.stack import is_building, run_named, wait_for

from autopack.store.engine import Database
from autopack.store.runs import get_run
from deployments.own_server import OwnServer
from flows.server import DISPOSABLE

pytestmark = pytest.mark.slow

# Prefect's client itself waits a minute by default.
HASTY = {"PREFECT_CLIENT_MAX_RETRIES": "1", "PREFECT_CLIENT_RETRY_JITTER_FACTOR": "0"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    folder = tmp_path_factory.mktemp("away")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AUTOPACK_"))}
    server = OwnServer(folder, kept | DISPOSABLE | {"PREFECT_HOME": str(folder)})
    server.wait()
    yield server
    server.end()


@pytest.fixture
def machine(tmp_path: Path, server: OwnServer) -> Machine:
    return Machine(tmp_path / "home", f"sqlite:///{tmp_path / 'autopack.db'}", server.api_url)


def slow_project(folder: Path, minutes: float) -> Project:
    builds = [[call(7), {"delay": 3}, {"files": {"a": "1"}}]]
    plan = {"budget": {"minutes": minutes}}
    return make_project(folder / "project", {"one": builds, "two": [[call(5)]]}, plan=plan)


def test_a_run_goes_on_when_its_server_is_back(
    machine: Machine, server: OwnServer, tmp_path: Path
) -> None:
    project = slow_project(tmp_path, minutes=5)
    process = machine.start("run", *project.run_args, "--run-id", "patient", "--json", **HASTY)
    wait_for("a build", lambda: is_building(machine, "patient"))
    server.kill()

    def first_phase_is_complete() -> bool:
        run = run_named(machine, "patient")
        return run is not None and run["completed_phases"] == 1

    wait_for("the end of the build", first_phase_is_complete)
    time.sleep(8)
    assert process.poll() is None
    server.start()
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 0, stderr
    assert f"waits for the Prefect server at {server.api_url}" in stderr
    db = Database.open(machine.database_url)
    run = get_run(db, "patient")
    db.close()
    assert (run.state, run.recoveries) == ("DONE_SUCCESS", 0)
    view = run_named(machine, "patient")
    assert view is not None
    assert [phase["attempts"] for phase in view["phases"]] == [1, 1]
    assert view["tokens"]["total"] == 12
    server.wait()


def test_a_run_waits_no_longer_than_it_has_minutes(
    machine: Machine, server: OwnServer, tmp_path: Path
) -> None:
    project = slow_project(tmp_path, minutes=0.25)
    process = machine.start("run", *project.run_args, "--run-id", "limited", "--json", **HASTY)
    wait_for("a build", lambda: is_building(machine, "limited"))
    server.kill()
    stdout, stderr = process.communicate(timeout=120)

    assert process.returncode == 1, stderr
    assert "fault of Autopack" not in stdout + stderr
    assert server.api_url in stdout
    view = run_named(machine, "limited")
    assert view is not None
    assert (view["state"], view["tokens"]["total"]) == ("PHASE_EXECUTION", 7)
    server.start()
    server.wait()
    assert machine.run("resume", "limited", "--json").json["state"] == "DONE_SUCCESS"
