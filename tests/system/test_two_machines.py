"""Two homes and two clones of one remote: a run that dies on one machine goes on on the other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes import Machine, kill_tree
from support.projects import Project, call, fingerprint, git, make_project

from autopack.ledger.check import check
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts

RUN = "moved"
PHASES = {
    "one": [[call(100), {"files": {"one.txt": "1\n"}}]],
    "two": [
        [call(20), {"files": {"two.txt": "half\n", "broken": "yes\n"}}],
        [call(3), {"delay": 600}, {"files": {"two.txt": "2\n", "broken": None}}],
    ],
    "three": [[call(5000), {"files": {"three.txt": "3\n"}}]],
}


@dataclass(frozen=True)
class Place:
    """A machine and the clone of the remote that it has."""

    machine: Machine
    clone: Path


@dataclass(frozen=True)
class World:
    first: Place
    second: Place
    remote: Path
    project: Project

    def attempts(self) -> list[tuple[str, int, str]]:
        db = Database.open(self.first.machine.database_url)
        found = [(one.phase_id, one.attempt, one.state.value) for one in get_attempts(db, RUN)]
        db.close()
        return found


@pytest.fixture
def world(any_machine: Machine, tmp_path: Path) -> World:
    project = make_project(tmp_path / "project", PHASES, phase={"validate": ["test ! -e broken"]})
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "-q", "--bare", str(project.repository), str(remote))
    clones = [tmp_path / name / "clone" for name in ("first", "second")]
    for clone in clones:
        clone.parent.mkdir()
        git(tmp_path, "clone", "-q", str(remote), str(clone))
    homes = (clone.parent / "home" for clone in clones)
    first, second = (
        Place(Machine(home, any_machine.database_url, any_machine.prefect_api), clone)
        for home, clone in zip(homes, clones, strict=True)
    )
    return World(first, second, remote, project)


def wait_for(holds: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kill_in_the_second_attempt(world: World) -> None:
    """Start the run on the first machine and kill it while it builds what failed at first."""
    plan, _, _, *options = world.project.run_args
    process = world.first.machine.start(
        *("run", plan, "--repo", str(world.first.clone), *options),
        *("--run-id", RUN, "--push", "origin", "--json"),
    )
    spool = world.first.machine.home / "runs" / RUN / "spool" / "two" / "2"
    wait_for(lambda: any(one.stat().st_size for one in spool.glob("*")))
    kill_tree(process.pid)
    process.communicate()
    world.project.hasten()


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine_name", ["postgresql", pytest.param("sqlite", marks=pytest.mark.full)]
)
def test_a_run_that_was_killed_on_one_machine_goes_on_on_another(world: World) -> None:
    kill_in_the_second_attempt(world)
    before = fingerprint(world.second.clone)
    away = world.first.clone.rename(world.first.clone.with_name("away"))

    without = world.second.machine.run("resume", RUN, "--json")
    assert without.code == 2
    assert "--repo" in without.json["error"]["hint"]
    resumed = world.second.machine.run("resume", RUN, "--repo", str(world.second.clone), "--json")

    assert resumed.code == 0, resumed.stderr
    run = resumed.json
    assert run["state"] == "DONE_SUCCESS"
    assert run["push"] == {"remote": "origin", "error": None}
    assert [phase["attempts"] for phase in run["phases"]] == [1, 2, 1]
    assert world.attempts() == [
        ("one", 1, "PASSED"),
        ("two", 1, "FAILED"),
        ("two", 2, "INTERRUPTED"),
        ("two", 3, "PASSED"),
        ("three", 1, "PASSED"),
    ]
    for repository in (world.remote, world.second.clone):
        assert git(repository, "rev-parse", run["branch"]).strip() == run["head_commit"]
    assert git(world.remote, "show", f"{run['branch']}:two.txt") == "2\n"
    files = git(world.remote, "ls-tree", "--name-only", run["branch"]).split()
    assert files == ["README.md", "one.txt", "three.txt", "two.txt"]
    assert git(world.remote, "show", f"refs/autopack/{RUN}/two/1:broken") == "yes\n"
    assert fingerprint(world.second.clone) == before

    tokens = world.second.machine.run("tokens", RUN, "--json").json
    assert tokens["unreconciled_calls"] == 1, "only the first machine knows what it spent"
    assert tokens["spent"]["total"] == 100 + 20 + 3 + 5000
    away.rename(world.first.clone)
    maintain(world.first.machine)
    tokens = world.second.machine.run("tokens", RUN, "--json").json
    assert tokens["unreconciled_calls"] == 0
    assert tokens["spent"]["total"] == 100 + 20 + 3 + 3 + 5000
    db = Database.open(world.first.machine.database_url)
    assert check(db) == []
    db.close()


def maintain(machine: Machine) -> None:
    """What is done every night on the machine that came back."""
    code = "import asyncio; from flows import maintain; asyncio.run(maintain())"
    subprocess.run([sys.executable, "-c", code], env=machine.environment(), check=True)


def test_a_remote_that_cannot_be_pushed_to_is_refused_before_anything_is_stored(
    machine: Machine, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", PHASES)
    answer = machine.run("run", *project.run_args, "--push", "nowhere", "--json")
    assert answer.code == 2
    assert answer.json["error"]["field"] == "push"
    assert machine.run("runs", "--json").json["runs"] == []


@pytest.mark.slow
def test_a_remote_that_goes_away_loses_nothing(machine: Machine, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"one": [[{"delay": 3}, {"files": {"a": "1"}}]]})
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "-q", "--bare", str(project.repository), str(remote))
    process = machine.start(
        "run", *project.run_args, "--push", str(remote), "--run-id", "r", "--json"
    )
    wait_for((machine.home / "runs" / "r" / "spool" / "one" / "1").is_dir)
    remote.rename(tmp_path / "gone.git")

    process.communicate(timeout=120)

    assert process.returncode == 1
    run = machine.run("show", "r", "--json").json
    assert run["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert "not pushed" in run["failure_reason"]
    assert git(project.repository, "show", f"{run['branch']}:a") == "1"


def test_a_repository_may_be_a_url(machine: Machine, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"one": [[call(1), {"files": {"a": "1"}}]]})
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "-q", "--bare", str(project.repository), str(remote))
    plan, _, _, *options = project.run_args

    answer = machine.run(
        "run", plan, "--repo", f"file://{remote}", *options, "--push", f"file://{remote}", "--json"
    )

    assert answer.code == 0, answer.stderr
    assert git(remote, "show", f"{answer.json['branch']}:a") == "1"
