"""Workers: from asking for a flow run to its first line, forked against a new Python each.

    uv run python tests/bench/worker.py [--repeats 10] [--runs 0] [--slots 3] [--seconds 5]

One `autopack up` on PostgreSQL with its warm worker, and beside it a plain process worker with a
pool of its own; both get the same flow run in turn, the order changing every time. With ``--runs``,
a fleet of so many simulated runs of ``--seconds`` at ``--slots`` follows, at the warm worker; what
its makespan is compared with is all slots building all the time, after one start.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from support.processes import Machine
from support.projects import make_simulated
from support.stack import api

FLOW = "maintain/maintain"
POOL = "plain"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--slots", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _stack(Path(folder)) as machine:
        if wanted.repeats:
            print(_starts(machine, wanted.repeats), flush=True)
        if wanted.runs:
            print(_fleet(machine, Path(folder), wanted.runs, wanted.slots, wanted.seconds))


@contextmanager
def _stack(folder: Path) -> Generator[Machine]:
    machine = Machine(folder / "home", f"sqlite:///{folder / 'autopack.db'}", None)
    up = machine.start("up", "--warm", "--json")
    try:
        line = up.stdout.readline() if up.stdout is not None else ""
        if not line.startswith('{"ui_url"'):
            raise SystemExit(f"autopack up: {up.communicate()}")
        running = Machine(machine.home, machine.database_url, json.loads(line)["api_url"])
        _no_schedules(running)
        yield running
    finally:
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=120)


def _no_schedules(machine: Machine) -> None:
    found = api(machine, "/deployments/name/reconcile/reconcile")
    for schedule in found["schedules"]:
        httpx.patch(
            f"{machine.prefect_api}/deployments/{found['id']}/schedules/{schedule['id']}",
            json={"active": False},
            auth=machine.auth,
        ).raise_for_status()


def _starts(machine: Machine, repeats: int) -> str:
    warm = api(machine, f"/deployments/name/{FLOW}")
    api(machine, "/work_pools/", {"name": POOL, "type": "process"})
    kept = ("flow_id", "entrypoint", "pull_steps", "job_variables", "parameter_openapi_schema")
    copied = {name: warm[name] for name in kept} | {"name": POOL, "work_pool_name": POOL}
    plain = api(machine, "/deployments/", copied)
    worker = machine.start("worker", "--no-warm", "--pool", POOL, PREFECT_WORKER_QUERY_SECONDS="1")
    seconds: dict[str, list[float]] = {"warm": [], "plain": []}
    try:
        pairs = (("warm", warm["id"]), ("plain", plain["id"]))
        for number in range(repeats + 1):
            for name, deployment in pairs if number % 2 else reversed(pairs):
                took = _seconds_to_first_line(machine, deployment)
                if number:  # the first waits for the workers, too
                    seconds[name].append(took)
    finally:
        worker.send_signal(signal.SIGINT)
        try:
            worker.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.communicate()
    lines = [
        f"{name:6}{statistics.median(took):6.2f} s  ({min(took):.2f} to {max(took):.2f})"
        for name, took in seconds.items()
    ]
    each = [w / p for w, p in zip(seconds["warm"], seconds["plain"], strict=True)]
    return "\n".join([*lines, f"ratio {statistics.median(each):6.2f}  (median of {repeats} pairs)"])


def _seconds_to_first_line(machine: Machine, deployment: str) -> float:
    asked = time.time()
    flow_run = api(
        machine, f"/deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}}
    )["id"]
    while True:
        found = api(machine, f"/flow_runs/{flow_run}")
        if found["state_type"] == "COMPLETED":
            time.sleep(1)  # its process ends
            return datetime.fromisoformat(found["start_time"]).timestamp() - asked
        if found["state_type"] not in ("SCHEDULED", "PENDING", "RUNNING"):
            raise SystemExit(f"the flow run ended {found['state']}")
        time.sleep(0.1)


def _fleet(machine: Machine, folder: Path, runs: int, slots: int, seconds: float) -> str:
    spec = {"success": 1, "calls": 1, "seconds": seconds}
    project = make_simulated(folder / "project", spec)
    answer = machine.run(
        "fleet",
        *[str(project.plan)] * runs,
        *("--repo", str(project.repository), "--builder", "simulated"),
        *("--set", f"spec={project.recording}", "--set", "seed=run"),
        *("--executor", "deployment", "--max", str(slots), "--run-id", "many", "--json"),
        timeout=3600,
    )
    if answer.code != 0:
        raise SystemExit(answer.stdout + answer.stderr)
    results: list[dict[str, Any]] = answer.json["results"]
    times = sorted((_at(one["started_at"]), _at(one["finished_at"])) for one in results)
    body = {"flow_runs": {"name": {"any_": ["many"]}}}
    [fleet] = api(machine, "/flow_runs/filter", body)
    begun = _at(fleet["start_time"])
    makespan = max(end for _, end in times) - begun
    ideal = runs * seconds / slots + times[0][0] - begun
    own = statistics.median(end - start for start, end in times)
    return (
        f"{runs} runs of {seconds:.0f} s at {slots} slots: makespan {makespan:.1f} s, "
        f"ideal {ideal:.1f} s, ratio {makespan / ideal:.2f}; a run took {own:.1f} s"
    )


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
