"""A Prefect server that is away for a while: the build goes on, and then the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import processes
from support.processes import Machine
from support.projects import call, make_project
from support.stack import run_named, wait_for

from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from deployments.own_server import OwnServer
from flows.server import DISPOSABLE

pytestmark = pytest.mark.slow

AWAY_SECONDS = 180
AWAY_CLI = Path(processes.__file__).with_name("away_cli.py")


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
    database = f"sqlite:///{tmp_path / 'autopack.db'}"
    return Machine(tmp_path / "home", database, server.api_url, login=server.login)


class Away:
    """`autopack run` of two phases whose server is killed while the first one is built."""

    def __init__(
        self,
        machine: Machine,
        server: OwnServer,
        folder: Path,
        run_id: str,
        minutes: float,
        **more: str,
    ) -> None:
        plan = {"budget": {"minutes": minutes}}
        first = [[call(7), {"files": {"a": "1"}}]]
        project = make_project(folder / "project", {"one": first, "two": [[call(5)]]}, plan=plan)
        self._waited = folder / "waited"
        self._stderr = folder / "stderr"
        with self._stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, str(AWAY_CLI)),
                    *("run", *project.run_args, "--run-id", run_id, "--json"),
                ],
                env=machine.environment(
                    AWAY_SERVER=str(server._process.pid), AWAY_WAITED=str(self._waited), **more
                ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    def waited(self) -> float:
        """Seconds of simulated time."""
        text = self._waited.read_text() if self._waited.exists() else ""
        return float(text or 0)

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()


def has_completed(machine: Machine, run_id: str, phases: int) -> bool:
    run = run_named(machine, run_id)
    return run is not None and run["completed_phases"] == phases


def test_a_run_goes_on_when_its_server_is_back(
    machine: Machine, server: OwnServer, tmp_path: Path
) -> None:
    """With the retries that Prefect's client makes by default."""
    run = Away(machine, server, tmp_path, "patient", minutes=60)
    wait_for(
        "three minutes without a server, and the first phase, whose build and checks need none",
        lambda: (
            run.process.poll() is not None
            or (run.waited() >= AWAY_SECONDS and has_completed(machine, "patient", 1))
        ),
    )
    assert run.process.poll() is None, run.stderr
    server.start()
    run.process.communicate(timeout=180)

    assert run.process.returncode == 0, run.stderr
    assert f"waits for the Prefect server at {server.api_url}" in run.stderr
    assert "Traceback" not in run.stderr
    db = Database.open(machine.database_url)
    stored = get_run(db, "patient")
    db.close()
    assert (stored.state, stored.recoveries) == ("DONE_SUCCESS", 0)
    view = run_named(machine, "patient")
    assert view is not None
    assert [phase["attempts"] for phase in view["phases"]] == [1, 1]
    assert view["tokens"]["total"] == 12
    server.wait()


@pytest.mark.full
def test_a_run_waits_no_longer_than_it_has_minutes(
    machine: Machine, server: OwnServer, tmp_path: Path
) -> None:
    run = Away(machine, server, tmp_path, "limited", minutes=2, AWAY_CLOCK="1")
    stdout, _ = run.process.communicate(timeout=180)

    assert run.process.returncode == 1, run.stderr
    assert 60 < run.waited() < 1000, "two minutes, and what Prefect's client waits by itself"
    assert "fault of Autopack" not in stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert "EventsWorker" not in run.stderr.partition("waits for")[2]
    assert server.api_url in stdout
    view = run_named(machine, "limited")
    assert view is not None
    assert (view["state"], view["tokens"]["total"]) == ("PHASE_EXECUTION", 7)
    server.start()
    server.wait()
    assert machine.run("resume", "limited", "--json").json["state"] == "DONE_SUCCESS"
