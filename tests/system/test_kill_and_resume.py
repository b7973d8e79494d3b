"""SIGKILL of the whole process tree at random moments; the run goes on as if nothing happened."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path

import pytest
from support.processes import Machine, kill_tree, marked_processes
from support.projects import Project, call, fingerprint, git, make_project

from autopack.ledger.check import check
from autopack.ledger.events.usage_events import token_totals
from autopack.model.states import AttemptState, PhaseState
from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.store.runs import get_attempts, get_phases, get_run

RUN = "killed"
# A grandchild in a session of its own outlives a kill of its parents, unless it is looked for.
CHECK = "sh -c 'setsid sleep 300 & sleep 0.3; test -f done.txt && ! test -f broken'"


def _builds(name: str, *, fails_first: bool = False) -> list[list[dict[str, object]]]:
    def steps(number: int, **extra: str | None) -> list[dict[str, object]]:
        return [
            call(100 + number, response_id=f"{name}-{number}-a"),
            {"delay": 0.3},
            {"files": {"done.txt": f"{name} {number}\n", f"{name}.txt": f"{name}\n"} | extra},
            call(10, response_id=f"{name}-{number}-b"),
            {"delay": 0.2},
        ]

    if not fails_first:
        return [steps(1)]
    return [steps(1, broken="yes\n"), steps(2, broken=None)]


def _project(folder: Path) -> Project:
    phases = {
        "one": _builds("one"),
        "two": _builds("two", fails_first=True),
        "three": _builds("three"),
        "four": _builds("four"),
    }
    return make_project(folder, phases, phase={"validate": [CHECK]})


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """Kills per engine: 40 in all with --full."""
    return 20 if request.config.getoption("--full") else 3


@pytest.mark.slow
@pytest.mark.parametrize(
    # Each engine is killed at every step in test_crash_matrix.py.
    "engine_name",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)],
)
def test_killed_runs_go_on_as_if_nothing_had_happened(
    any_machine: Machine, tmp_path: Path, kills: int, engine_name: str
) -> None:
    dice = random.Random(f"kill {engine_name}")
    project = _project(tmp_path / "project")
    before = fingerprint(project.repository)
    killed = 0
    number = 0
    while killed < kills:
        number += 1
        run_id = f"{RUN}-{number}"
        killed += _run_under_fire(any_machine, project, run_id, dice, kills - killed)
        _is_as_if_nothing_had_happened(any_machine, project, run_id)
    assert fingerprint(project.repository) == before


def _run_under_fire(
    machine: Machine, project: Project, run_id: str, dice: random.Random, most: int
) -> int:
    """Start the run again and again, killing it, until it ends; return how often it was killed."""
    killed = 0
    while True:
        process = machine.start("run", *project.run_args, "--run-id", run_id, "--json")
        if killed < most and _kill_at_random(process, machine, run_id, dice):
            killed += 1
            process.communicate()
            if _has_ended(machine, run_id):
                return killed
            continue
        stdout, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stdout + stderr
        assert json.loads(stdout)["state"] == "DONE_SUCCESS"
        return killed


def _kill_at_random(
    process: subprocess.Popen[str], machine: Machine, run_id: str, dice: random.Random
) -> bool:
    """Kill the tree some time after it took the run; False when it ended before."""
    taken = machine.home / "runs" / run_id / "work"
    deadline = time.monotonic() + 60
    while not taken.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    while process.poll() is None and not _holds(machine, process.pid, run_id):
        time.sleep(0.05)
    try:
        process.wait(timeout=dice.uniform(0.0, 2.5))
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        return True
    return False


def _has_ended(machine: Machine, run_id: str) -> bool:
    """Whether the run was closed before the kill: only its report was cut off."""
    db = Database.open(machine.database_url)
    try:
        return get_run(db, run_id).state.is_final
    finally:
        db.close()


def _holds(machine: Machine, pid: int, run_id: str) -> bool:
    db = Database.open(machine.database_url)
    try:
        holder = holder_of(db, run_id)
    finally:
        db.close()
    return holder is not None and holder.pid == pid


def _is_as_if_nothing_had_happened(machine: Machine, project: Project, run_id: str) -> None:
    branch = f"autopack/{run_id}"
    names = git(project.repository, "ls-tree", "-r", "--name-only", branch).split()
    assert names == ["README.md", "done.txt", "four.txt", "one.txt", "three.txt", "two.txt"]
    assert git(project.repository, "show", f"{branch}:done.txt") == "four 1\n"
    assert len(git(project.repository, "rev-list", f"main..{branch}").split()) == 4

    db = Database.open(machine.database_url)
    attempts = get_attempts(db, run_id)
    for phase in get_phases(db, run_id):
        mine = [attempt for attempt in attempts if attempt.phase_id == phase.phase_id]
        ended = [attempt for attempt in mine if attempt.built_at is not None]
        assert phase.state is PhaseState.COMPLETE
        assert phase.revision == 0
        assert [attempt.attempt for attempt in mine] == list(range(1, len(mine) + 1))
        assert [attempt.recorded_build for attempt in ended] == list(range(1, len(ended) + 1))
        assert len(ended) == (2 if phase.phase_id == "two" else 1)
        assert sum(attempt.state is AttemptState.PASSED for attempt in mine) == 1
    assert token_totals(db, run_id).total == _spooled_tokens(machine, run_id)
    assert token_totals(db, run_id).unreconciled_calls == 0
    spent = machine.run("tokens", run_id, "--json").json["spent"]
    assert spent["total"] == token_totals(db, run_id).total
    assert sum(spent["by_category"].values()) == sum(spent["by_role"].values()) == spent["total"]
    assert check(db) == []
    holder = holder_of(db, run_id)
    assert holder is None or holder.is_gone()
    db.close()
    assert marked_processes(run_id) == []
    assert not (machine.home / "runs" / run_id / "work").exists()


def _spooled_tokens(machine: Machine, run_id: str) -> int:
    """What the builders wrote down as they spent it, attempt by attempt."""
    total = 0
    for path in (machine.home / "runs" / run_id / "spool").glob("*/*/builder.out"):
        for line in path.read_text(encoding="utf-8").splitlines():
            total += json.loads(line).get("call", {}).get("total", 0)
    return total
