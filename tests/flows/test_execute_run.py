"""What a run does with its plan: the loop, the hints, the caps, the ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, call, fingerprint, git, make_project

from autopack.model.states import AttemptState
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts


def write(**files: str | None) -> dict[str, Any]:
    return {"files": files}


async def run(project: Project, **more: Any) -> dict[str, Any]:
    from flows import execute_run

    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        **more,
    )


def attempts_of(run_id: str, phase_id: str) -> list[Any]:
    db = Database.open(os.environ["DATABASE_URL"])
    try:
        return get_attempts(db, run_id, phase_id)
    finally:
        db.close()


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"])
async def test_phases_are_built_in_dependency_order_and_committed(
    home: Path, tmp_path: Path
) -> None:
    phases = {"late": [[write(late="2")]], "early": [[write(early="1")]]}
    project = make_project(tmp_path, phases)
    text = project.plan.read_text().replace("- id: late\n", "- id: late\n  depends_on: [early]\n")
    project.plan.write_text(text)
    before = fingerprint(project.repository)

    answer = await run(project, run_id="ordered")

    assert answer["state"] == "DONE_SUCCESS"
    subjects = git(project.repository, "log", "--format=%s", "main..autopack/ordered").split("\n")
    assert [line.split(":")[0] for line in subjects if line] == ["late", "early"]
    assert answer["head_commit"] == git(project.repository, "rev-parse", "autopack/ordered").strip()
    assert fingerprint(project.repository) == before


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"])
async def test_the_real_failure_is_the_hint_of_the_next_attempt(home: Path, tmp_path: Path) -> None:
    check = "sh -c 'cat word; grep -q good word'"
    project = make_project(
        tmp_path,
        {"one": [[call(3), write(word="bad\n")], [call(4), write(word="good\n")]]},
        phase={"validate": [check]},
    )

    answer = await run(project, run_id="hinted")

    first, second = attempts_of("hinted", "one")
    assert first.state is AttemptState.FAILED
    assert first.failure_cause == "validation_failed"
    assert "bad" in first.failure_output
    assert "bad" in second.hint
    assert second.base_commit == first.commit
    assert answer["phases"][0]["attempts"] == 2
    assert [d["kind"] for d in answer["phases"][0]["decisions"]] == ["retry", "complete"]


async def test_a_change_outside_the_scope_is_built_anew_from_the_branch_head(
    home: Path, tmp_path: Path
) -> None:
    project = make_project(
        tmp_path,
        {"one": [[write(stray="x")], [write(**{"src/a": "y"})]]},
        phase={"scope": {"paths": ["src/"]}},
    )

    answer = await run(project, run_id="scoped")

    first, second = attempts_of("scoped", "one")
    assert first.failure_cause == "out_of_scope"
    assert second.base_commit == answer["base_commit"]
    assert git(project.repository, "ls-tree", "-r", "--name-only", "autopack/scoped").split() == [
        "README.md",
        "src/a",
    ]


# What differs between the engines is tested with the store.
@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    ("builds", "phase", "plan", "state", "words"),
    [
        # attempts run out
        (
            [[call(1), write(a=str(n))] for n in range(9)],
            {"validate": ["false"], "budget": {"attempts": 2}},
            {},
            "DONE_FAILED_REQUIRES_HUMAN_REVIEW",
            "2 of 2 attempts",
        ),
        # the scope is broken every time
        (
            [[write(a=str(n))] for n in range(9)],
            {"scope": {"paths": ["src/"]}, "budget": {"attempts": 2}},
            {},
            "DONE_FAILED_POLICY_VIOLATION",
            "out_of_scope",
        ),
        # tokens of the run run out between two attempts
        (
            [[call(60), write(a=str(n))] for n in range(9)],
            {"validate": ["false"]},
            {"budget": {"tokens": 100}},
            "DONE_FAILED_BUDGET_EXHAUSTED",
            "120 of 100 tokens",
        ),
        # tokens of the phase
        (
            [[call(60), write(a=str(n))] for n in range(9)],
            {"validate": ["false"], "budget": {"tokens": 50}},
            {},
            "DONE_FAILED_BUDGET_EXHAUSTED",
            "60 of 50 tokens",
        ),
        # minutes of the run: the check is ended in time
        (
            [[write(a=str(n))] for n in range(9)],
            {"validate": ["sleep 60"]},
            {"budget": {"minutes": 0.03}},
            "DONE_FAILED_BUDGET_EXHAUSTED",
            "minutes",
        ),
        # minutes of the phase: its builds together
        (
            [[{"delay": 1.0}, write(a=str(n))] for n in range(9)],
            {"validate": ["false"], "budget": {"minutes": 0.025, "attempts": 9}},
            {},
            "DONE_FAILED_BUDGET_EXHAUSTED",
            "phase one: 0.0 of 0.025 minutes",
        ),
        # setup fails
        ([[write(a="1")]], {}, {"setup": ["false"]}, "DONE_FAILED_ENVIRONMENT", "false"),
        # a deliverable is missing
        (
            [[write(a="1")]],
            {"deliverables": ["b"], "budget": {"attempts": 1}},
            {},
            "DONE_FAILED_REQUIRES_HUMAN_REVIEW",
            "deliverable_missing",
        ),
        # nothing is changed where something was to be delivered
        (
            [[call(1)]],
            {"deliverables": ["README.md"], "budget": {"attempts": 1}},
            {},
            "DONE_FAILED_REQUIRES_HUMAN_REVIEW",
            "empty_change",
        ),
    ],
)
async def test_runs_end_in_the_right_state(
    home: Path,
    tmp_path: Path,
    builds: list[list[dict[str, Any]]],
    phase: dict[str, Any],
    plan: dict[str, Any],
    state: str,
    words: str,
) -> None:
    answer = await run(make_project(tmp_path, {"one": builds}, phase=phase, plan=plan))
    assert answer["state"] == state
    assert words in answer["failure_reason"]
    assert answer["tokens"]["total"] == sum(phase["tokens"] for phase in answer["phases"])


async def test_a_cap_reached_by_a_success_stops_the_next_phase_before_it_is_paid_for(
    home: Path, tmp_path: Path
) -> None:
    phases = {"one": [[call(100), write(a="1")]], "two": [[call(1), write(b="1")]]}
    answer = await run(make_project(tmp_path, phases, plan={"budget": {"tokens": 100}}))
    assert answer["state"] == "DONE_FAILED_BUDGET_EXHAUSTED"
    assert [phase["state"] for phase in answer["phases"]] == ["COMPLETE", "QUEUED"]
    assert answer["tokens"]["total"] == 100


async def test_what_failed_runs_completed_is_published(home: Path, tmp_path: Path) -> None:
    phases = {"one": [[write(a="1")]], "two": [[write(b="1")]]}
    project = make_project(tmp_path, phases, phase={"validate": ["test ! -e b"]})
    text = project.plan.read_text().replace("- id: two\n", "- id: two\n  budget: {attempts: 1}\n")
    project.plan.write_text(text)

    answer = await run(project, run_id="half")

    assert answer["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert git(project.repository, "show", "autopack/half:a") == "1"


async def test_a_dirty_checkout_is_neither_used_nor_touched(home: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path, {"one": [[write(a="1")]]})
    (project.repository / "README.md").write_text("changed\n")
    (project.repository / "untracked").write_text("mine\n")
    before = fingerprint(project.repository)

    answer = await run(project, run_id="clean")

    assert answer["state"] == "DONE_SUCCESS"
    assert git(project.repository, "show", "autopack/clean:README.md") == "hello\n"
    assert fingerprint(project.repository) == before
