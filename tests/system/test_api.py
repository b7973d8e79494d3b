"""The API as a process of its own: runs are started, paused and watched through it, while it is
killed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.processes import Machine
from support.projects import Project, call, make_project
from support.served_api import ServedApi, served

pytestmark = pytest.mark.slow

LONG = {"delay": 600}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A home with its own server: no worker is there that runs could be left to."""
    folder = tmp_path_factory.mktemp("api")
    made = Machine(folder / "home", f"sqlite:///{folder / 'autopack.db'}", None)
    yield made
    made.run("down")


def _run(api: ServedApi, project: Project, run_id: str, **more: Any) -> Any:
    body = {
        "plan": project.plan.read_text(),
        "repo": str(project.repository),
        "builder_options": {"recording": str(project.recording)},
        "run_id": run_id,
    }
    return api.post("/runs", body | more, headers={"Idempotency-Key": f"start-{run_id}"})


def test_a_run_from_start_to_end_while_the_api_is_killed(machine: Machine, tmp_path: Path) -> None:
    """Started, capped, paused, resumed, cancelled: who reconnects is told each event once."""
    project = make_project(
        tmp_path / "p",
        {"one": [[call(7), LONG, {"files": {"a": "1"}}]], "two": [[call(5)]]},
        phase={"validate": ["true"]},
    )
    with served(machine) as api:
        started = _run(api, project, "r")
        assert started["changed"] is True
        assert started["detail"]["started"]["by"] == "process"
        assert api.ask("POST", "/runs/r/execute").status_code == 409
        api.follow("r", "attempt STARTED one")
        api.kill()
        api.start()
        # The same request again, by a client that never heard the answer.
        assert _run(api, project, "r")["target"] == "r"
        assert api.post("/runs/r/caps", {"token_cap": 1_000})["changed"]
        assert api.post("/runs/r/pause", {"now": True, "note": "wait"})["changed"]
        api.follow("r", "attempt INTERRUPTED one")
        api.follow("r", "phase QUEUED one")
        status = api.get("/runs/r/status")
        assert (status["state"], status["paused"][0]["note"]) == ("PHASE_EXECUTION", "wait")
        assert (status["token_cap"], status["tokens"]) == (1_000, 7)
        time.sleep(1.5)
        assert api.get("/runs/r/status")["tokens"] == 7
        assert "wait" in machine.run("show", "r").stdout
        api.kill()
        assert machine.run("unpause", "r", "--json").json["changed"]
        api.start()
        api.follow("r", "attempt STARTED one")
        assert api.post("/runs/r/cancel")["detail"]["state"] == "DONE_CANCELLED"
        told = api.follow("r", "run DONE_CANCELLED")
        numbers = [one["number"] for one in api.seen["r"]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert [one for one in told if one.startswith(("pause", "caps"))] == [
            "caps changed",
            "pause paused",
            "pause lifted",
        ]
        page = api.get("/runs/r/events")
        assert page["events"] == api.seen["r"]
        again = {"Accept": "text/event-stream", "Last-Event-ID": page["next"]}
        assert api.ask("GET", "/runs/r/events", headers=again).status_code == 204
        assert api.ask("POST", "/runs/r/execute").status_code == 409
        assert json.dumps(page).count("hello") == 0


def test_a_lowered_cap_ends_the_build_under_way(machine: Machine, tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", {"one": [[call(50), LONG]]})
    with served(machine) as api:
        _run(api, project, "capped")
        api.follow("capped", "attempt STARTED one")
        time.sleep(1)
        assert machine.run("caps", "capped", "--token-cap", "40", "--json").code == 0
        api.follow("capped", "run DONE_FAILED_BUDGET_EXHAUSTED")
        assert api.get("/runs/capped/status")["tokens"] == 50


def test_it_starts_quickly_and_stays_small(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "home", f"sqlite:///{tmp_path / 'autopack.db'}", None)
    machine.run("db", "upgrade")
    with served(machine) as api:
        assert api.process is not None
        for _ in range(20):
            assert api.get("/runs") == {"runs": [], "next_cursor": None}
        megabytes = psutil.Process(api.process.pid).memory_info().rss / 1e6
        print(f"{megabytes:.0f} MB")
        assert megabytes <= 150
        api.kill()
        api.start()
        used = psutil.Process(api.process.pid).cpu_times()
        print(f"listens after {used.user + used.system:.1f} s of one core")
        assert used.user + used.system <= 3
