"""`autopack up`: the deployment is triggered, scheduled, killed and retried on the real stack."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from support.experiments import agent, make_trial
from support.modes import open_to_others
from support.processes import Machine, kill_tree, marked_processes
from support.projects import call, git, make_project, make_simulated
from support.stack import (
    api,
    deployment_id,
    flow_runs_of,
    flow_state,
    holder_pid,
    is_building,
    is_done,
    prefect,
    processes_of,
    run_named,
    schedule_reconcile,
    start,
    start_fleet,
    switch_off_reconcile,
    trigger,
    wait_for,
    wait_until_suspended,
)

from autopack import home_server
from autopack.settings import Settings
from deployments.home_server import UsedServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """`autopack up` on a home of its own; every later command finds it there.

    The umask closes nothing.
    """
    home = tmp_path_factory.mktemp("stack") / "home"
    machine = Machine(home, f"sqlite:///{home.parent / 'autopack.db'}", None, umask=0)
    home.mkdir()
    on_demand = UsedServer(Settings(home, machine.database_url), print)
    process = machine.start("up", "--json")
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith('{"ui_url"'):
        process.kill()
        pytest.fail(f"autopack up said {line!r} {process.communicate()[1]}")
    tree = psutil.Process(process.pid).children(recursive=True)
    try:
        yield _looked_at(machine, on_demand, json.loads(line))
        tree = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    _, alive = psutil.wait_procs(tree, timeout=10)
    assert alive == []
    assert not (home / "stack.json").exists()


def _looked_at(machine: Machine, on_demand: UsedServer, told: dict[str, str]) -> Machine:
    """What `up` has just started is there, and takes the place of the server on demand."""
    page = httpx.get(f"{told['runs_api_url']}/ui/", follow_redirects=True)
    assert page.is_success, "it is there once its address has been said"
    assert "Sign in" in page.text
    running = replace(machine, prefect_api=told["api_url"])
    on_demand.wait()
    assert home_server.answers(on_demand.api_url, on_demand.login), (
        "it is in use, and so left alone"
    )
    home_server.let_go(machine.home)  # and ends, now that there is another one
    switch_off_reconcile(running)
    return running


def test_a_triggered_run_that_is_killed_goes_on_when_its_flow_run_is_retried(
    stack: Machine, tmp_path: Path
) -> None:
    slow = [call(7, response_id="slow"), {"delay": 600}, {"files": {"b": "2"}}]
    quick = [call(5), {"files": {"a": "1"}}]
    project = make_project(tmp_path, {"one": [quick], "two": [slow]})
    flow_run = trigger(stack, project, run_id="retried")

    def second_phase_is_building() -> bool:
        run = run_named(stack, "retried")
        return run is not None and run["phases"][1]["state"] == "EXECUTING"

    wait_for("the second phase", second_phase_is_building)
    kill_tree(holder_pid(stack, "retried"))
    wait_for("Crashed", lambda: flow_state(stack, flow_run) == "CRASHED")
    # A crash is reported twice; the second report may overwrite a retry that came between.
    time.sleep(3)
    project.hasten()
    assert prefect(stack, "flow-run", "retry", flow_run).code == 0

    ended = wait_for("the end", lambda: is_done(stack, "retried"))
    assert ended["state"] == "DONE_SUCCESS"
    assert ended["flow_run_id"] == flow_run
    assert [phase["attempts"] for phase in ended["phases"]] == [1, 1]
    assert ended["tokens"]["total"] == 5 + 7 + 7, "the call before the kill counts too"
    assert git(project.repository, "show", f"{ended['branch']}:b") == "2"
    assert marked_processes("retried") == []
    wait_for("Completed", lambda: flow_state(stack, flow_run) == "COMPLETED")


def test_a_server_started_on_demand_ends_once_nobody_uses_it(stack: Machine) -> None:
    wait_for("its end", lambda: not home_server.is_locked(stack.home))
    assert home_server.read_note(stack.home) is None


@pytest.mark.skipif(sys.platform != "linux", reason="commands are handed over on Linux alone")
def test_a_command_that_finds_the_stack_starts_at_once(stack: Machine, tmp_path: Path) -> None:
    finds_it = replace(stack, prefect_api=None)

    def is_warm() -> bool:
        return finds_it.run("health", "--json").json["server"]["warm_commands"]

    wait_for("the process that commands are forked from", is_warm)
    slow = [call(7, response_id="slow"), {"delay": 600}, {"files": {"b": "2"}}]
    project = make_project(tmp_path, {"one": [slow]})
    process = finds_it.start("run", *project.run_args, "--run-id", "forked", "--json")
    wait_for("its build", lambda: is_building(stack, "forked"))
    assert holder_pid(stack, "forked") != process.pid
    process.send_signal(signal.SIGINT)
    told = json.loads(process.communicate(timeout=60)[0])
    assert (process.returncode, told["state"]) == (130, "PHASE_EXECUTION")
    assert stack.run("cancel", "forked").code == 0


def test_a_schedule_starts_a_run(stack: Machine, tmp_path: Path) -> None:
    project = make_project(tmp_path, {"one": [[call(5), {"files": {"a": "1"}}]]})
    at = datetime.now(UTC) + timedelta(seconds=8)
    schedule = {
        "active": True,
        "schedule": {
            "interval": 86_400,
            "anchor_date": at.isoformat(),
        },
        "parameters": {
            "plan": str(project.plan),
            "repo": str(project.repository),
            "builder_options": f"recording={project.recording}",
            "run_id": "scheduled",
        },
    }
    api(stack, f"/deployments/{deployment_id(stack)}/schedules", [schedule])

    run = wait_for("the scheduled run", lambda: is_done(stack, "scheduled"), look=stack)
    assert run["state"] == "DONE_SUCCESS"


def test_a_plain_script_calls_the_flow(stack: Machine, tmp_path: Path) -> None:
    project = make_project(tmp_path, {"one": [[call(5), {"files": {"a": "1"}}]]})
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, json, sys\n"
        "from flows import execute_run\n"
        "async def main():\n"
        f"    return await execute_run(plan={str(project.plan)!r}, "
        f"repo={str(project.repository)!r}, builder_options='recording={project.recording}')\n"
        "print(json.dumps(asyncio.run(main())))\n"
    )
    # Without PREFECT_API_URL: the stack is found by its note in the home.
    found = Machine(stack.home, stack.database_url, None)

    done = subprocess.run(
        [sys.executable, str(script)],
        env=found.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout.splitlines()[-1])
    assert run["state"] == "DONE_SUCCESS"
    assert api(stack, f"/flow_runs/{run['flow_run_id']}")["state_type"] == "COMPLETED"


def test_a_failed_run_is_failed_in_the_ui_too(stack: Machine, tmp_path: Path) -> None:
    project = make_project(
        tmp_path,
        {"one": [[call(5), {"files": {"a": "1"}}]]},
        phase={"validate": ["false"], "budget": {"attempts": 1}},
    )
    answer = stack.run("run", *project.run_args, "--json")
    assert answer.code == 1
    flow_run = api(stack, f"/flow_runs/{answer.json['flow_run_id']}")
    assert flow_run["state_type"] == "FAILED"
    assert "DONE_FAILED_REQUIRES_HUMAN_REVIEW" in flow_run["state"]["message"]


def test_cancel_ends_a_run_that_a_worker_executes(stack: Machine, tmp_path: Path) -> None:
    project = make_project(tmp_path, {"one": [[call(5), {"delay": 300}]]})
    flow_run = trigger(stack, project, run_id="cancelled-far-away")

    wait_for("the build", lambda: is_building(stack, "cancelled-far-away"))
    answer = stack.run("cancel", "cancelled-far-away", "--json")
    assert answer.code == 0
    assert answer.json["state"] == "DONE_CANCELLED"
    assert answer.json["tokens"]["total"] == 5
    wait_for("Cancelled", lambda: flow_state(stack, flow_run) == "CANCELLED")


def test_a_run_waits_without_a_process_and_goes_on_with_either_answer(
    stack: Machine, tmp_path: Path
) -> None:
    project = make_project(
        tmp_path,
        {"one": [[call(60), {"files": {"a": "1"}}]], "two": [[call(60), {"files": {"b": "2"}}]]},
    )
    plan = project.plan.read_text(encoding="utf-8")
    project.plan.write_text(plan.replace("- id: one", "- id: one\n  approval: true"))
    flow_run = trigger(stack, project, run_id="asks", token_cap=50, at_cap="ask")

    assert wait_until_suspended(stack, flow_run, "asks", 1) == "phase one waits for approval"
    form = {"approve": True, "answered_by": "Ann", "note": "go on"}
    api(stack, f"/flow_runs/{flow_run}/resume", {"run_input": form})

    assert "60 of 50 tokens" in wait_until_suspended(stack, flow_run, "asks", 2)
    answer = stack.run("approve", "asks", "--token-cap", "500", "--note", "nearly", "--json")
    assert answer.code == 0, answer.stderr

    run = wait_for("the end", lambda: is_done(stack, "asks"), look=stack)
    assert (run["state"], run["tokens"]["total"]) == ("DONE_SUCCESS", 120)
    assert run["budget"]["limits"]["tokens"] == 500
    said = [(one["answered_by"], one["note"], one["new_cap"]) for one in run["approvals"]]
    assert said[0] == ("Ann", "go on", None)
    assert said[1][1:] == ("nearly", 500.0)
    wait_for("Completed", lambda: flow_state(stack, flow_run) == "COMPLETED")


@pytest.mark.full
def test_a_suspended_run_that_is_rejected_ends(stack: Machine, tmp_path: Path) -> None:
    project = make_project(
        tmp_path, {"one": [[call(60), {"files": {"a": "1"}}]]}, phase={"approval": True}
    )
    flow_run = trigger(stack, project, run_id="rejected")
    wait_until_suspended(stack, flow_run, "rejected", 1)

    answer = stack.run("approve", "rejected", "--reject", "--note", "too dear", "--json")

    assert answer.code == 0, answer.stderr
    assert answer.json["state"] == "DONE_CANCELLED"
    assert "too dear" in answer.json["failure_reason"]
    assert answer.json["tokens"]["total"] == 0
    wait_for("Cancelled", lambda: flow_state(stack, flow_run) == "CANCELLED", look=stack)


def test_workers_execute_a_fleet_and_go_on_with_what_is_killed(
    stack: Machine, tmp_path: Path
) -> None:
    project = make_simulated(tmp_path, {"success": 1, "calls": 1, "seconds": 600})
    fleet = stack.start(
        "fleet",
        *[str(project.plan)] * 2,
        *("--repo", str(project.repository), "--builder", "simulated"),
        *("--set", f"spec={project.recording}"),
        *("--executor", "deployment", "--run-id", "at-work", "--json"),
    )

    run_ids = ("at-work-1", "at-work-2")
    for run_id in run_ids:
        wait_for("the build", lambda run_id=run_id: is_building(stack, run_id), look=stack)
    project.hasten()
    for run_id in run_ids:
        kill_tree(holder_pid(stack, run_id))
    stdout, stderr = fleet.communicate(timeout=180)

    assert fleet.returncode == 0, stdout + stderr
    results = json.loads(stdout)["results"]
    assert [result["run_id"] for result in results] == list(run_ids)
    assert flow_runs_of(stack, "fleet:at-work") == [
        (run_id, state) for run_id in run_ids for state in ("COMPLETED", "CRASHED")
    ]


@pytest.mark.full
def test_workers_execute_an_experiment(stack: Machine, tmp_path: Path) -> None:
    same = agent(1000)
    trial = make_trial(tmp_path, plans=1, control=same, treatment=same, seed=1, attempts=1)
    experiment = start(stack, "ab-experiment/ab", spec=str(trial.spec), executor="deployment")

    wait_for("the verdict", lambda: flow_state(stack, experiment) == "COMPLETED", look=stack)

    answer = stack.run("ab", "run", str(trial.spec), "--json")
    assert answer.code == 0, answer.stderr
    report = answer.json
    assert (report["n_pairs"], report["n_void"], report["finished"]) == (1, 0, True)
    arms = [name for name, _ in flow_runs_of(stack, f"ab:{report['test_id']}")]
    runs = report["pairs"][0]["runs"]
    assert arms == sorted((runs["control_run_id"], runs["treatment_run_id"]))
    key = f"autopack-ab-{report['test_id']}"
    artifact = api(stack, f"/artifacts/{key}/latest")
    assert report["sentence"] in artifact["data"]


@pytest.mark.full
def test_a_run_of_a_fleet_at_a_worker_asks_in_the_ui(stack: Machine, tmp_path: Path) -> None:
    project = make_simulated(tmp_path, {"success": 1, "calls": 1})
    plan = project.plan.read_text(encoding="utf-8")
    project.plan.write_text(plan.replace("tier: T1", "tier: T1\n  approval: true"))
    answer = stack.run(
        "fleet",
        *(str(project.plan), "--repo", str(project.repository), "--builder", "simulated"),
        *("--executor", "deployment", "--run-id", "asking", "--json"),
    )
    assert answer.code == 3, answer.stdout + answer.stderr
    tagged = {"flow_runs": {"tags": {"all_": ["fleet:asking"]}}}
    [flow_run] = [run["id"] for run in api(stack, "/flow_runs/filter", tagged)]

    assert "phase-1 waits" in wait_until_suspended(stack, flow_run, "asking-1", 1)
    form = {"approve": True, "answered_by": "Ann"}
    api(stack, f"/flow_runs/{flow_run}/resume", {"run_input": form})

    ended = wait_for("the end", lambda: is_done(stack, "asking-1"), look=stack)
    assert ended["state"] == "DONE_SUCCESS"
    wait_for("Completed", lambda: flow_state(stack, flow_run) == "COMPLETED")


@pytest.mark.full
def test_reconciling_goes_on_with_a_fleet_whose_process_is_killed(
    stack: Machine, tmp_path: Path
) -> None:
    project = make_simulated(tmp_path, {"success": 1, "calls": 2, "seconds": 300})
    flow_run = start_fleet(stack, project, executor="deployment", run_id="headless")
    wait_for("a build", lambda: is_building(stack, "headless-1"), look=stack)
    project.hasten()
    for process in processes_of(flow_run):
        process.kill()
    wait_for("Crashed", lambda: flow_state(stack, flow_run) == "CRASHED", look=stack)

    start(stack, "reconcile/reconcile")

    wait_for("the end", lambda: flow_state(stack, flow_run) == "COMPLETED", look=stack)
    for run_id in ("headless-1", "headless-2"):
        run = is_done(stack, run_id)
        assert run is not None
        assert (run["state"], run["phases"][0]["attempts"]) == ("DONE_SUCCESS", 1)
    ended = flow_runs_of(stack, "fleet:headless")
    assert ended == [("headless-1", "COMPLETED"), ("headless-2", "COMPLETED")], "one each"


def test_a_cancelled_fleet_cancels_its_runs(stack: Machine, tmp_path: Path) -> None:
    project = make_simulated(tmp_path, {"success": 1, "calls": 2, "seconds": 300})
    flow_run = start_fleet(stack, project, executor="process", run_id="unwanted")
    wait_for("the builds", lambda: all(is_building(stack, f"unwanted-{n}") for n in (1, 2)))
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    api(stack, f"/flow_runs/{flow_run}/set_state", cancelling)

    for run_id in ("unwanted-1", "unwanted-2"):
        ended = wait_for("the end", lambda run_id=run_id: is_done(stack, run_id))
        assert ended["state"] == "DONE_CANCELLED"
        assert marked_processes(run_id) == []


def test_a_reconciliation_that_found_all_well_is_not_listed(stack: Machine) -> None:
    named = {"flow_runs": {"name": {"like_": "reconcile "}}}

    def listed() -> set[str]:
        found = api(stack, "/flow_runs/filter", named)
        return {run["id"] for run in found if ": " not in run["name"]}

    before = listed()
    asked_for = start(stack, "reconcile/reconcile")
    schedule_reconcile(stack)
    log = stack.home / "stack" / "worker.log"
    wait_for("both", lambda: log.read_text(errors="replace").count("closed_runs 0") >= 2)
    switch_off_reconcile(stack)
    wait_for("the one asked for", lambda: flow_state(stack, asked_for) == "COMPLETED")
    # What was asked for stays; it says so in its name where it found something that others left.
    wait_for("the others to go", lambda: listed() - before <= {asked_for}, look=stack)
    assert flow_state(stack, asked_for) == "COMPLETED"


def test_what_all_of_this_left_is_the_users_alone(stack: Machine) -> None:
    assert open_to_others(stack.home) == {}
    database = stack.home.parent / "autopack.db"
    assert {stat.S_IMODE(path.stat().st_mode) for path in database.parent.glob("*.db*")} == {0o600}
