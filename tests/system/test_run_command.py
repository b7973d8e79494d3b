"""`run`, `resume` and `cancel` as scripts see them: exit codes, one object, the same JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.processes import Answer, Machine
from support.projects import call, make_project

pytestmark = pytest.mark.slow

STEPS: list[dict[str, Any]] = [call(5), {"output": "printed by the builder"}, {"files": {"a": "1"}}]


def run(machine: Machine, folder: Path, run_id: str, *more: str, **phase: Any) -> Answer:
    project = make_project(folder, {"one": [STEPS]}, phase={"budget": {"attempts": 1}} | phase)
    return machine.run("run", *project.run_args, "--run-id", run_id, *more)


def test_a_run_that_succeeds(machine: Machine, tmp_path: Path) -> None:
    answer = run(machine, tmp_path / "p", "good", "--json")
    assert answer.code == 0, answer.stderr
    assert answer.stdout.count("\n") == 1
    assert answer.json["state"] == "DONE_SUCCESS"
    assert answer.json["flow_run_id"] is not None
    # One JSON, whichever command prints it.
    assert machine.run("show", "good", "--json").json == answer.json

    for command in ("resume", "cancel"):
        again = machine.run(command, "good", "--json")
        assert (again.code, again.json["error"]["kind"]) == (2, "refused")


def test_a_run_that_fails(machine: Machine, tmp_path: Path) -> None:
    check = ["sh", "-c", "echo printed by the check; false"]
    answer = run(machine, tmp_path / "p", "bad", "--json", validate=[check])
    assert answer.code == 1, answer.stderr
    assert answer.json["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert set(answer.json) == set(json.loads(machine.run("show", "bad", "--json").stdout))
    assert answer.json["phases"][0]["failure"]["cause"] == "validation_failed"


def test_a_run_for_people(machine: Machine, tmp_path: Path) -> None:
    answer = run(machine, tmp_path / "p", "plain", validate=[["sh", "-c", "exit 7"]])
    assert answer.code == 1
    assert answer.stdout.startswith("DONE_FAILED_REQUIRES_HUMAN_REVIEW  A goal\n")
    assert "exited with 7" in answer.stdout
    assert "one  FAILED" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_cap_on_the_command_line_beats_the_plan(machine: Machine, tmp_path: Path) -> None:
    answer = run(
        machine,
        tmp_path / "p",
        "capped",
        "--token-cap",
        "5",
        "--json",
        validate=["false"],
        budget={"attempts": 3},
    )
    assert answer.code == 1
    assert answer.json["state"] == "DONE_FAILED_BUDGET_EXHAUSTED"
    assert answer.json["budget"]["limits"]["tokens"] == 5


def test_a_run_that_nobody_began_is_cancelled_where_it_is(machine: Machine, tmp_path: Path) -> None:
    from autopack.clock import SystemClock
    from autopack.runs.prepare.prepare import RunRequest, prepare_run
    from autopack.settings import Settings
    from autopack.store.database.engine import Database

    project = make_project(tmp_path / "p", {"one": [STEPS]})
    machine.home.mkdir()
    db = Database.open(machine.database_url)
    request = RunRequest(
        str(project.plan),
        str(project.repository),
        builder_options={"recording": str(project.recording)},
        run_id="early",
    )
    settings = Settings(machine.home, machine.database_url)
    prepare_run(request, db=db, settings=settings, clock=SystemClock())
    db.close()

    answer = machine.run("cancel", "early", "--json")

    assert (answer.code, answer.json["state"]) == (0, "DONE_CANCELLED")
    assert answer.json["tokens"]["total"] == 0
