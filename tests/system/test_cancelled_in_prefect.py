"""Who cancels in Prefect has cancelled: the run ends, and nothing starts it again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.processes import Machine, kill_tree, marked_processes
from support.projects import Project, call, make_project, write_yaml
from support.stack import api, ask, is_building, is_done, run_named, start, wait_for

from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.store.runs import list_runs

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent
SHORT = {"AUTOPACK_LEASE_SECONDS": "15", "AUTOPACK_PREFECT_SECONDS": "0.5"}

# The way in which a run is executed, and the flow run of which flow is cancelled; the run that
# then has to end is called as the way, those of fleets with a number.
WAYS = {
    "worker": "execute-run",
    "served": "execute-run",
    "served-parent": "parent",
    "script": "execute-run",
    "of-script": "parent",
    "killed": "execute-run",  # nobody is left who could act on it
    "fleet": "execute-runs",
    "processes": "execute-runs",
    "workers": "execute-runs",
    "experiment": "ab-experiment",
    "replay": "replay-campaign",
}
FLEETS = {"fleet", "processes", "workers"}
CAMPAIGNS = {"experiment", "replay"}
"""Their runs have longer names, and which of a pair comes first is drawn."""
FULL = {"served", "script", "of-script", "processes", "workers", "experiment"}


def of(ways: Iterable[str]) -> list[Any]:
    """The ways as parameters of a test."""
    return [pytest.param(way, marks=[pytest.mark.full] * (way in FULL)) for way in ways]


def program(machine: Machine, way: str, parameters: dict[str, Any]) -> subprocess.Popen[bytes]:
    machine.home.mkdir(parents=True, exist_ok=True)
    with (machine.home / f"{way}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "support.programs", way, json.dumps(parameters)],
            env=machine.environment(PYTHONPATH=str(TESTS), PREFECT_RUNNER_POLL_FREQUENCY="1"),
            cwd=TESTS,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def worker(machine: Machine) -> subprocess.Popen[bytes]:
    """A process worker of the pool."""
    machine.home.mkdir(parents=True, exist_ok=True)
    with (machine.home / "worker.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "autopack"],
            env=machine.environment(PREFECT_WORKER_QUERY_SECONDS="1", **SHORT),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def deploy(machine: Machine, name: str) -> None:
    """The work pool, and `execute_run` as a deployment on it."""
    answer = ask(machine, "/work_pools/", {"name": "autopack", "type": "process"})
    assert answer.status_code in (201, 409)
    flow = api(machine, "/flows/", {"name": "execute-run"})
    deployment = {
        "name": name,
        "flow_id": flow["id"],
        "entrypoint": "flows.run:execute_run",
        "work_pool_name": "autopack",
        "enforce_parameter_schema": False,
    }
    api(machine, "/deployments/", deployment)


class Cancelled:
    """Every way at once, so that they take as long as the slowest: built, cancelled, waited for."""

    def __init__(self, machine: Machine, project: Project, ways: Sequence[str]) -> None:
        self.machine, self._project, self._ways = machine, project, ways
        self._experiment = str(self._declared())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.states: dict[str, str] = {}
        self.reconciled: list[dict[str, int]] = []

    def go(self) -> None:
        deploy(self.machine, "run")
        for way in self._ways:
            if way == "worker":
                self._processes[way] = worker(self.machine)
                start(self.machine, "execute-run/run", **self._parameters(way))
            elif way.startswith("served"):
                self._processes[way] = program(self.machine, way.replace("served", "serve"), {})
            else:
                self._processes[way] = program(self.machine, way, self._parameters(way))
        for way in [way for way in self._ways if way.startswith("served")]:
            flow = WAYS[way]
            name = f"/deployments/name/{flow}/served"
            wait_for(name, lambda name=name: self._exists(name))
            parameters = self._parameters(way)
            if flow == "parent":
                parameters = {"parameters": parameters}
            start(self.machine, f"{flow}/served", **parameters)
        for way in self._ways:
            wait_for(way, lambda way=way: self._has_paid(self.run_of(way)), 300)
        kill_tree(self._processes["killed"].pid)
        for way in self._ways:
            self._cancel(way, WAYS[way])
        for way in set(self._ways) - {"killed"}:
            run_id = self.run_of(way)
            wait_for(way, lambda run_id=run_id: is_done(self.machine, run_id))
        wait_for("its lease to run out", lambda: not self._is_held("killed"))

    def run_of(self, way: str) -> str:
        if way in CAMPAIGNS:
            return next((run_id for run_id in self._runs_of(way) if self._has_called(run_id)), "")
        return f"{way}-1" if way in FLEETS else way

    def others_of(self, way: str) -> list[str]:
        """The runs of a campaign that were not begun when it was cancelled."""
        return [run_id for run_id in self._runs_of(way) if run_id != self.run_of(way)]

    def _runs_of(self, way: str) -> list[str]:
        """The runs of a campaign that are stored so far."""
        db = Database.open(self.machine.database_url)
        try:
            return sorted(
                run.run_id for run in list_runs(db).rows if run.run_id.startswith(f"{way}-")
            )
        finally:
            db.close()

    def _declared(self) -> Path:
        """An experiment of one pair, whose arms build the same."""
        both = {"builder": "script", "options": {"recording": str(self._project.recording)}}
        return write_yaml(
            self._project.plan.with_name("experiment.yaml"),
            {
                "name": "experiment",
                "plans": [self._project.plan.name],
                "repo": str(self._project.repository),
                "both": both,
                "control": {"features": []},
                "treatment": {"features": ["failure_hardening"]},
            },
        )

    def end(self) -> None:
        for process in self._processes.values():
            kill_tree(process.pid)
            process.wait()

    def _parameters(self, way: str) -> dict[str, Any]:
        return {
            "plan": str(self._project.plan),
            "repo": str(self._project.repository),
            "builder_options": f"recording={self._project.recording}",
            "run_id": way,
        } | ({"plan": self._experiment} if way == "experiment" else {})

    def _has_paid(self, run_id: str) -> bool:
        """Whether its build runs and has made its one call, which then counts whatever follows."""
        return self._has_called(run_id) and is_building(self.machine, run_id)

    def _is_held(self, run_id: str) -> bool:
        db = Database.open(self.machine.database_url)
        try:
            return holder_of(db, run_id) is not None
        finally:
            db.close()

    def _has_called(self, run_id: str) -> bool:
        output = self.machine.home / "runs" / run_id / "spool" / "one" / "1" / "builder.out"
        return output.exists() and output.stat().st_size > 0

    def _exists(self, path: str) -> bool:
        return ask(self.machine, path).is_success

    def _cancel(self, way: str, flow: str) -> None:
        running = {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}},
        }
        for found in api(self.machine, "/flow_runs/filter", running):
            named = self._experiment if way == "experiment" else way
            if named in json.dumps(found["parameters"]).split('"'):
                state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
                api(self.machine, f"/flow_runs/{found['id']}/set_state", state)
                self.states[way] = found["id"]


@pytest.fixture(scope="module")
def cancelled(
    prefect_api: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cancelled]:
    folder = tmp_path_factory.mktemp("cancelled")
    slow = [call(7), {"delay": 600}, {"files": {"a": "1"}}]
    project = make_project(folder / "project", {"one": [slow]})
    machine = Machine(folder / "home", f"sqlite:///{folder / 'autopack.db'}", prefect_api)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SHORT.items():
            patch.setenv(name, value)
        chosen = [w for w in WAYS if w not in FULL or request.config.getoption("--full")]
        ways = Cancelled(_with(machine), project, chosen)
        try:
            ways.go()
            done = program(ways.machine, "reconciled", {})
            done.wait(timeout=120)
            lines = (machine.home / "reconciled.log").read_text().splitlines()
            ways.reconciled = [json.loads(line) for line in lines if line.startswith("{")]
            yield ways
        finally:
            ways.end()


def _with(machine: Machine) -> Machine:
    """The machine with short intervals, whoever starts something on it."""

    class Hasty(Machine):
        def environment(self, **more: str) -> dict[str, str]:
            return super().environment(**SHORT | more)

    return Hasty(machine.home, machine.database_url, machine.prefect_api)


@pytest.mark.parametrize("way", of(WAYS))
def test_what_was_cancelled_in_prefect_has_ended(cancelled: Cancelled, way: str) -> None:
    run_id = cancelled.run_of(way)
    run = run_named(cancelled.machine, run_id)
    assert run is not None
    assert (run["state"], run["tokens"]["total"]) == ("DONE_CANCELLED", 7)
    assert [phase["attempts"] for phase in run["phases"]] == [0], "nobody built it again"
    assert marked_processes(run_id) == []


@pytest.mark.parametrize("campaign", of(sorted(CAMPAIGNS)))
def test_a_cancelled_campaign_begins_with_nothing_more(cancelled: Cancelled, campaign: str) -> None:
    for run_id in cancelled.others_of(campaign):
        run = run_named(cancelled.machine, run_id)
        assert run is not None
        assert (run["state"], run["tokens"]["total"]) == ("DONE_CANCELLED", 0)


@pytest.mark.parametrize("fleet", of(sorted(FLEETS)))
def test_a_cancelled_fleet_begins_with_nothing_more(cancelled: Cancelled, fleet: str) -> None:
    run = run_named(cancelled.machine, f"{fleet}-2")
    assert run is not None
    assert (run["state"], run["tokens"]["total"]) == ("DONE_CANCELLED", 0)


def test_reconciling_closes_what_nobody_else_did_and_resumes_nothing(cancelled: Cancelled) -> None:
    first, second = cancelled.reconciled
    assert (first["cancelled_runs"], first["resumed_runs"]) == (1, 0)
    assert {name: n for name, n in second.items() if n} == {}
