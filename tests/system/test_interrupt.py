"""Stopping a run that is under way: Ctrl-C, cancel, and a second process that wants it too."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.processes import Machine, marked_processes
from support.projects import Project, call, make_project
from support.stack import api, wait_for

from autopack.store.database.engine import Database
from autopack.store.leases import holder_of

pytestmark = pytest.mark.slow

# Children that ignore TERM and leave a grandchild in a session of its own.
STUBBORN = "sh -c \"trap '' TERM; setsid sleep 300 & sleep 300\""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    steps = [call(5), {"files": {"a": "1"}}]
    return make_project(tmp_path / "project", {"one": [steps]}, phase={"validate": [STUBBORN]})


def events_of(machine: Machine, run_id: str) -> list[str]:
    about = {"resource": {"id": [f"autopack.run.{run_id}"]}}
    return [one["event"] for one in api(machine, "/events/filter", {"filter": about})["events"]]


def start_and_wait(machine: Machine, project: Project, run_id: str) -> subprocess.Popen[str]:
    """Start a run and return when its check is running."""
    process = machine.start("run", *project.run_args, "--run-id", run_id, "--json")
    deadline = time.monotonic() + 90
    while len(marked_processes(run_id)) < 2 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return process


@pytest.mark.parametrize(
    "signal_number", [pytest.param(signal.SIGINT, marks=pytest.mark.full), signal.SIGTERM]
)
def test_a_signal_ends_the_children_and_leaves_a_run_that_can_be_resumed(
    machine: Machine, project: Project, signal_number: signal.Signals
) -> None:
    process = start_and_wait(machine, project, "stopped")
    began = time.monotonic()
    process.send_signal(signal_number)
    stdout, stderr = process.communicate(timeout=60)

    assert time.monotonic() - began < 30, "the children, which ignore TERM, were not waited for"
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert json.loads(stdout)["state"] == "PHASE_EXECUTION"
    assert marked_processes("stopped") == []
    # What it had to show was sent beside it, and all of it before it ended.
    for key in ("autopack-progress-stopped", "autopack-summary-stopped"):
        assert api(machine, f"/artifacts/{key}/latest")["key"] == key
    wait_for("its event", lambda: "autopack.run.started" in events_of(machine, "stopped"))
    db = Database.open(machine.database_url)
    assert holder_of(db, "stopped") is None
    db.close()

    cancelled = machine.run("cancel", "stopped", "--json")
    assert cancelled.code == 0
    assert cancelled.json["state"] == "DONE_CANCELLED"
    assert cancelled.json["tokens"]["total"] == 5


def test_cancel_ends_a_run_of_another_process_and_a_second_resume_is_refused(
    machine: Machine, project: Project
) -> None:
    process = start_and_wait(machine, project, "held")

    second = machine.run("resume", "held", "--json")
    assert second.code == 2
    assert second.json["error"]["kind"] == "run_held"
    assert f"pid {process.pid}" in second.json["error"]["message"]

    cancelled = machine.run("cancel", "held", "--json")
    stdout, stderr = process.communicate(timeout=30)
    assert cancelled.json["state"] == "DONE_CANCELLED"
    assert process.returncode == 1
    assert json.loads(stdout)["state"] == "DONE_CANCELLED", stderr
    assert marked_processes("held") == []
    assert machine.run("resume", "held").code == 2


def test_of_two_resumes_at_once_one_works(machine: Machine, tmp_path: Path) -> None:
    slow = [call(5), {"delay": 600}, {"files": {"a": "1"}}]
    project = make_project(tmp_path / "project", {"one": [slow]})
    process = machine.start("run", *project.run_args, "--run-id", "raced", "--json")
    while not (machine.home / "runs" / "raced" / "spool" / "one").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    both = [machine.start("resume", "raced", "--json") for _ in range(2)]
    wait_for("the refusal", lambda: any(one.poll() is not None for one in both))
    [refused] = [one for one in both if one.poll() is not None]
    stdout, stderr = refused.communicate()
    assert refused.returncode == 2, stdout + stderr
    assert json.loads(stdout)["error"]["kind"] == "run_held"

    [at_work] = set(both) - {refused}
    at_work.send_signal(signal.SIGINT)
    _, said = at_work.communicate(timeout=60)
    assert at_work.returncode == 130
    assert "Traceback" not in stderr + said
