"""Asking a running local stack, and waiting for what it does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import stamina

from autopack import home_server
from autopack.model.errors import NotFound
from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.views.run_view import run_view
from support.processes import Answer, Machine
from support.projects import Project

PREFECT = str(Path(sys.executable).parent / "prefect")


def ask(machine: Machine, path: str, body: Any = None) -> httpx.Response:
    """GET a path of Prefect's API, or POST ``body`` to it, as patiently as Prefect's client.

    A server on SQLite answers 503 while its database is locked, and has then done nothing.
    """
    url = f"{machine.prefect_api}{path}"
    for attempt in stamina.retry_context(on=_is_busy, attempts=20, timeout=60, wait_initial=0.2):
        with attempt:
            how, auth = ("GET" if body is None else "POST"), machine.auth
            answer = httpx.request(how, url, json=body, auth=auth)
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # pyright: ignore[reportUnnecessaryComparison]
                answer.raise_for_status()
            return answer
    raise AssertionError("unreachable")


def _is_busy(error: Exception) -> bool:
    busy = httpx.codes.SERVICE_UNAVAILABLE
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code == busy  # pyright: ignore[reportUnnecessaryComparison]


def api(machine: Machine, path: str, body: Any = None) -> Any:
    return ask(machine, path, body).raise_for_status().json()


def deployment_id(machine: Machine, name: str = "execute-run/run") -> str:
    return api(machine, f"/deployments/name/{name}")["id"]


def start(machine: Machine, deployment: str, **parameters: Any) -> str:
    """Ask for a flow run of a deployment; return its id."""
    path = f"/deployments/{deployment_id(machine, deployment)}/create_flow_run"
    return api(machine, path, {"parameters": parameters})["id"]


def trigger(machine: Machine, project: Project, **more: Any) -> str:
    parameters = {
        "plan": str(project.plan),
        "repo": str(project.repository),
        "builder_options": f"recording={project.recording}",
    } | more
    return start(machine, "execute-run/run", **parameters)


def wait_for(
    what: str, holds: Callable[[], Any], seconds: float = 180, look: Machine | None = None
) -> Any:
    """Return what ``holds`` answers once that is true; fail with the flow runs of ``look``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.3)
    runs = api(look, "/flow_runs/filter", {"limit": 5}) if look else []
    states = [(run["name"], run["state"]["name"], run["state"]["message"]) for run in runs]
    pytest.fail(f"{what} did not happen within {seconds:.0f} s: {states}")


def flow_state(machine: Machine, flow_run_id: str) -> str:
    return api(machine, f"/flow_runs/{flow_run_id}")["state_type"]


def flow_runs_of(machine: Machine, tag: str) -> list[tuple[str, str]]:
    """Names and states of the flow runs with that tag, sorted."""
    found = api(machine, "/flow_runs/filter", {"flow_runs": {"tags": {"all_": [tag]}}})
    return sorted((run["name"], run["state_type"]) for run in found)


def run_named(machine: Machine, run_id: str) -> dict[str, Any] | None:
    """The JSON of `show`, read without a process of its own."""
    db = Database.open(machine.database_url)
    try:
        return run_view(db, run_id)
    except NotFound:
        return None
    finally:
        db.close()


def is_building(machine: Machine, run_id: str) -> bool:
    """Whether the builder of a run's phase is at work: it has read its recording by then."""
    run = run_named(machine, run_id)
    if run is None or run["executing_phases"] != 1:
        return False
    return any((machine.home / "runs" / run_id).glob("spool/*/*/builder.out"))


def is_done(machine: Machine, run_id: str) -> dict[str, Any] | None:
    run = run_named(machine, run_id)
    return run if run and run["state"].startswith("DONE") else None


def holder_pid(machine: Machine, run_id: str) -> int:
    db = Database.open(machine.database_url)
    holder = holder_of(db, run_id)
    db.close()
    assert holder is not None
    return holder.pid


def processes_of(flow_run_id: str) -> list[psutil.Process]:
    """The processes in which a worker executes a flow run."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        if flow_run_id in (environ.get("PREFECT__FLOW_RUN_ID"), environ.get("PREFECT_FLOW_RUN_ID")):
            found.append(process)
    return found


def wait_until_suspended(machine: Machine, flow_run_id: str, run_id: str, asked: int) -> str:
    """Wait for question number ``asked`` with nobody at work; return it."""

    def question() -> str | None:
        run = run_named(machine, run_id)
        asks = run and len(run["approvals"]) == asked and run["state"] == "AWAITING_APPROVAL"
        suspended = asks and flow_state(machine, flow_run_id) == "PAUSED"
        return run["approvals"][-1]["question"] if run and suspended else None

    found: str = wait_for(f"question {asked} of {run_id}", question, look=machine)
    wait_for("the end of its process", lambda: not processes_of(flow_run_id), 60)
    return found


def prefect(machine: Machine, *args: str) -> Answer:
    done = subprocess.run(
        [PREFECT, "--no-prompt", *args],
        env=machine.environment(PREFECT_API_AUTH_STRING=home_server.make_login(machine.home)),
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def switch_off_reconcile(machine: Machine) -> None:
    """Here the tests decide when a run that was killed is resumed."""
    found = api(machine, "/deployments/name/reconcile/reconcile")
    for schedule in found["schedules"]:
        httpx.patch(
            f"{machine.prefect_api}/deployments/{found['id']}/schedules/{schedule['id']}",
            json={"active": False},
            auth=machine.auth,
        ).raise_for_status()


def schedule_reconcile(machine: Machine) -> None:
    schedule = {"active": True, "schedule": {"interval": 6}}
    found = deployment_id(machine, "reconcile/reconcile")
    api(machine, f"/deployments/{found}/schedules", [schedule])


def start_fleet(machine: Machine, project: Project, **parameters: str) -> str:
    """Have a worker execute two runs of a simulated project; return its flow run."""
    return start(
        machine,
        "execute-runs/fleet",
        plans=[str(project.plan)] * 2,
        repo=str(project.repository),
        builder="simulated",
        builder_options=f"spec={project.recording}",
        **parameters,
    )
