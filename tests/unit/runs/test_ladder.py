"""A ladder of models is climbed as attempts fail, also when the run is resumed or retried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.attempts import begun
from support.phases import BROKEN, build, write
from support.projects import Project, call, make_project
from support.runs import carry_out, conclude

from autopack.clock import SystemClock
from autopack.model.states import AttemptState
from autopack.runs.attempt.ladder import level_after
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.finish.finish import finish
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.prepare.retry import RetryRequest, prepare_retry
from autopack.runs.session.opening import close_session, open_session
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.rows import AttemptRow
from autopack.store.runs import get_attempts, get_decisions, get_ending
from autopack.views.attempt_view import built_by
from autopack.views.run_view import run_view

LADDER = {"models": {"builder": ["haiku", "sonnet", "opus"]}}
FAILED, INTERRUPTED, PASSED = AttemptState.FAILED, AttemptState.INTERRUPTED, AttemptState.PASSED


class Row:
    """An attempt as far as a ladder looks at it."""

    def __init__(self, level: int, state: AttemptState = FAILED, counts: bool = True) -> None:
        self.model_level, self.state, self.counts = level, state, counts


@pytest.mark.parametrize(
    ("attempts", "after", "level"),
    [
        ([], 2, 0),
        ([Row(0)], 2, 0),
        ([Row(0), Row(0)], 2, 1),
        ([Row(0), Row(0), Row(1)], 2, 1),
        ([Row(0), Row(0), Row(1), Row(1)], 2, 2),
        # The top is not passed.
        ([Row(0), Row(1), Row(2), Row(2)], 1, 2),
        # What does not count as an attempt counts for nothing here.
        ([Row(0), Row(0, INTERRUPTED, True)], 2, 0),
        ([Row(0), Row(0, FAILED, False)], 2, 0),
        ([Row(0), Row(0, PASSED)], 2, 0),
        # A retry of a run whose ladder was longer.
        ([Row(5)], 2, 2),
    ],
)
def test_a_level_is_left_after_so_many_failures(
    attempts: list[AttemptRow], after: int, level: int
) -> None:
    assert level_after(attempts, escalate_after=after, top=2) == level


@pytest.fixture
def failing(tmp_path: Any) -> Project:
    """A phase that fails three times, and passes the fourth."""
    wrong = [call(7), write(wrong="1")]
    plan = LADDER | {"budget": {"tokens": 100_000}}
    phase = {"validate": ["test -e right"]}
    builds = [wrong, wrong, wrong, [call(5), write(right="1")]]
    return make_project(tmp_path / "p", {"one": builds}, plan=plan, phase=phase)


async def test_the_level_is_recorded_told_and_shown(
    store: Callable[..., str], open_run: Any, failing: Project, database: Database
) -> None:
    session = open_run(store(failing))
    await carry_out(session)
    attempts = get_attempts(database, "r", "one")
    assert [(one.model, one.model_level) for one in attempts] == [
        ("haiku", 0),
        ("haiku", 0),
        ("sonnet", 1),
        ("sonnet", 1),
    ]
    told = [one for one in get_decisions(database, "r") if one.kind == "escalate"]
    assert [(one.attempt, one.reason) for one in told] == [
        (3, "2 attempts with haiku failed: sonnet builds")
    ]
    [phase] = run_view(database, "r")["phases"]
    assert phase["model_level"] == 1
    assert [one["model"] for one in phase["builds"]] == ["haiku", "haiku", "sonnet", "sonnet"]
    assert built_by(run_view(database, "r")) == [
        "one was built by script with haiku (2 attempts), then script with sonnet (2 attempts)"
    ]


async def test_who_resumes_a_run_goes_by_the_attempts_that_are_stored(
    store: Callable[..., str], database: Database, settings: Settings, failing: Project
) -> None:
    store(failing)

    def again() -> Any:
        return open_session("r", db=database, settings=settings, clock=SystemClock())

    session = again()
    session.environment = await prepare_environment(session)
    for _ in range(2):
        conclude(session, "one", await build(session), BROKEN)
    close_session(session)
    session = again()
    try:
        assert begun(session, "one").model == "sonnet"
    finally:
        close_session(session)


async def test_a_retry_begins_where_the_ladder_had_been_climbed_to(
    store: Callable[..., str], database: Database, settings: Settings, tmp_path: Any
) -> None:
    wrong = [call(7), write(wrong="1")]
    phase = {"validate": ["test -e right"], "budget": {"attempts": 3}}
    project = make_project(tmp_path / "p", {"one": [wrong] * 4}, plan=LADDER, phase=phase)
    store(project)
    session = open_session("r", db=database, settings=settings, clock=SystemClock())
    await carry_out(session)
    ending = get_ending(database, "r")
    assert ending is not None
    finish(session, *ending)
    close_session(session)
    made = prepare_retry(
        RetryRequest("r", new_id="s"), db=database, settings=settings, clock=SystemClock()
    )
    assert made.models == {
        "builder": ["haiku", "sonnet", "opus"],
        "doctor_cheap": None,
        "doctor_strong": None,
        "escalate_after": 2,
    }
    session = open_session("s", db=database, settings=settings, clock=SystemClock())
    try:
        assert begun(session, "one").model == "sonnet"
    finally:
        close_session(session)


async def test_a_phase_is_built_by_the_builder_that_it_names(
    tmp_path: Any, open_run: Any, database: Database, settings: Settings
) -> None:
    phase = {"builder": "command", "model": "gpt-5", "validate": ["test -e b"]}
    project = make_project(tmp_path / "p", {"one": []}, phase=phase)
    prepare_run(
        RunRequest(
            plan=str(project.plan),
            repo=str(project.repository),
            builder="simulated",
            builder_options={"command.template": "touch b {model}"},
            run_id="r",
        ),
        db=database,
        settings=settings,
        clock=SystemClock(),
    )
    session = open_run("r")
    await carry_out(session)
    [attempt] = get_attempts(database, "r", "one")
    assert (attempt.state, attempt.builder, attempt.model) == (PASSED, "command", "gpt-5")
    assert attempt.changed_paths == ("b", "gpt-5")
    assert built_by(run_view(database, "r")) == ["one was built by command with gpt-5"]


async def test_a_run_whose_plan_chooses_nothing_says_nothing_of_it(
    store: Callable[..., str], open_run: Any, database: Database, tmp_path: Any
) -> None:
    project = make_project(tmp_path / "p", {"one": [[call(5), write(a="1")]]})
    await carry_out(open_run(store(project, model="haiku")))
    assert built_by(run_view(database, "r")) == []
