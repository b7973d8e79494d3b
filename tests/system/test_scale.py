"""A fleet at three workers: each run ends once, never too many at a time, and no slot idles."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.processes import Machine, kill_tree
from support.projects import Project, make_simulated
from support.stack import api

from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.chaos.findings import findings

pytestmark = pytest.mark.slow

SLOTS = 3
LOCK_ERRORS = ("database is locked", "deadlock", "could not serialize")


@dataclass(frozen=True)
class Measured:
    """Seconds of one fleet: from its start to the end of its last run, and of what it consists."""

    runs: int
    makespan: float
    work: float
    start_up: float
    most_at_once: int

    @property
    def ideal(self) -> float:
        """All slots at work all the time, after one start of a worker's flow run."""
        return self.work / SLOTS + self.start_up

    def __str__(self) -> str:
        return (
            f"{self.runs} runs: makespan {self.makespan:.1f} s, ideal {self.ideal:.1f} s "
            f"(of that start-up {self.start_up:.1f} s), ratio {self.makespan / self.ideal:.2f}, "
            f"most at once {self.most_at_once}"
        )


@pytest.fixture
def at_work(tmp_path: Path, database_url: str) -> Iterator[Machine]:
    """`autopack up`, and two workers more."""
    machine = Machine(tmp_path / "home", database_url, None)
    with ExitStack() as stack:
        up = stack.enter_context(_ended(machine.start("up", "--json"), signal.SIGINT))
        assert up.stdout is not None
        line = up.stdout.readline()
        assert line.startswith('{"ui_url"'), up.communicate()[1]
        running = Machine(machine.home, database_url, json.loads(line)["api_url"])
        for number in (2, 3):
            stack.enter_context(_worker(running, machine.home / "stack" / f"worker-{number}.log"))
        yield running


@contextmanager
def _worker(machine: Machine, log: Path) -> Generator[None]:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "autopack"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--type", "process", "--name", log.stem],
            env=machine.environment(PREFECT_WORKER_QUERY_SECONDS="1"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield
    finally:
        kill_tree(process.pid)
        process.wait()


@contextmanager
def _ended(process: subprocess.Popen[str], by: signal.Signals) -> Generator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        process.send_signal(by)
        process.communicate(timeout=60)


def project_of(folder: Path, seconds: float) -> Project:
    return make_simulated(folder / "project", {"success": 1, "calls": 1, "seconds": seconds})


def run_fleet(machine: Machine, project: Project, runs: int, seconds: float) -> Measured:
    """Run the fleet, and assert everything of it but how long it took."""
    answer = machine.run(
        "fleet",
        *[str(project.plan)] * runs,
        *("--repo", str(project.repository), "--builder", "simulated"),
        *("--set", f"spec={project.recording}", "--set", "seed=run"),
        *("--executor", "deployment", "--max", str(SLOTS), "--run-id", "many", "--json"),
        timeout=3600,
    )
    assert answer.code == 0, answer.stdout + answer.stderr
    results = answer.json["results"]
    ids = [f"many-{number}" for number in range(1, runs + 1)]
    assert [result["run_id"] for result in results] == ids
    db = Database.open(machine.database_url)
    assert findings(db, Settings(machine.home, machine.database_url), ids) == []
    db.close()
    flow_runs = _flow_runs(machine, {"tags": {"all_": ["fleet:many"]}})
    assert Counter(one["name"] for one in flow_runs) == Counter(ids), "one flow run each"
    assert {one["state_type"] for one in flow_runs} == {"COMPLETED"}
    _assert_no_lock_error(machine.home, answer.stdout + answer.stderr)
    [fleet] = _flow_runs(machine, {"name": {"any_": ["many"]}})
    times = [(_at(result["started_at"]), _at(result["finished_at"])) for result in results]
    submitted = {one["name"]: _at(one["created"]) for one in flow_runs}
    first = min(results, key=lambda result: result["started_at"])
    return Measured(
        runs=runs,
        makespan=max(end for _, end in times) - _at(fleet["start_time"]),
        work=runs * seconds,
        start_up=_at(first["started_at"]) - submitted[first["run_id"]],
        most_at_once=_most_at_once(times),
    )


def _flow_runs(machine: Machine, which: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"flow_runs": which, "limit": 200}
    return api(machine, "/flow_runs/filter", body)


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _most_at_once(times: list[tuple[float, float]]) -> int:
    moments = sorted([(start, 1) for start, _ in times] + [(end, -1) for _, end in times])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


def _assert_no_lock_error(home: Path, said: str) -> None:
    logs = sorted([*(home / "stack").glob("*.log"), *home.glob("runs/*/process.log")])
    assert {path.name for path in logs} >= {"server.log", "worker.log", "worker-2.log"}
    texts = {path.name: path.read_text(encoding="utf-8", errors="replace") for path in logs}
    for name, text in {**texts, "the fleet": said}.items():
        for words in LOCK_ERRORS:
            assert words not in text.lower(), f"{name} says {words!r}"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[object], None]:
    """Print in spite of pytest."""

    def saying(text: object) -> None:
        with capsys.disabled():
            print(f"\n{text}")

    return saying


@pytest.mark.full
@pytest.mark.parametrize(("engine_name", "runs"), [("postgresql", 100), ("sqlite", 30)])
def test_many_runs_at_three_workers(
    at_work: Machine, tmp_path: Path, say: Callable[[object], None], runs: int
) -> None:
    # Long enough for the seconds that starting a flow run takes where other things are going on.
    measured = run_fleet(at_work, project_of(tmp_path, 50), runs=runs, seconds=50)
    say(measured)
    assert measured.most_at_once == SLOTS
    assert measured.makespan <= 1.3 * measured.ideal
