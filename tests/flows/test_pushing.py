"""Fleets, campaigns and experiments with a remote: what arrives there, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.experiments import Trial, agent, make_trial
from support.projects import Project, fingerprint, make_remote, make_simulated, refs_in

from autopack.clock import SystemClock
from autopack.model.errors import BadInput
from autopack.runs.finish.finish import cancel
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.experiment_records import get_pairs
from autopack.store.runs import get_attempts, get_run, list_runs

# What differs between the engines is tested with the store.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database.open(os.environ["DATABASE_URL"])
    yield opened
    opened.close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_simulated(tmp_path / "project", {"success": 1, "calls": 1})


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return make_trial(tmp_path, plans=1, control=agent(10), treatment=agent(20))


async def fleet(project: Project, number: int = 2, **more: Any) -> list[dict[str, Any]]:
    from flows import execute_runs

    return await execute_runs(
        plans=[str(project.plan)] * number,
        repo=str(project.repository),
        builder="simulated",
        builder_options=f"spec={project.recording}",
        run_id="many",
        **more,
    )


async def replay(**more: Any) -> dict[str, Any]:
    from flows import replay_campaign

    return await replay_campaign(enable=["intention_context"], **more)


async def experiment(trial: Trial, **more: Any) -> dict[str, Any]:
    from flows import ab_experiment

    return await ab_experiment(spec=str(trial.spec), **more)


def store_cancelled(db: Database, project: Project) -> None:
    """A run that has ended, without any work."""
    settings = Settings.from_environment()
    request = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder="simulated",
        builder_options={"spec": str(project.recording)},
        run_id="cancelled",
    )
    prepare_run(request, db=db, settings=settings, clock=SystemClock())
    cancel("cancelled", db=db, settings=settings, clock=SystemClock())


def given_away(db: Database, run_id: str) -> dict[str, str]:
    """The refs that a remote of the run has to have."""
    run = get_run(db, run_id)
    assert run.head_commit is not None
    return {
        f"refs/heads/{run.branch}": run.head_commit,
        f"refs/autopack-base/{run_id}": run.base_commit,
    } | {
        f"refs/autopack/{run_id}/{one.phase_id}/{one.attempt}": one.commit or ""
        for one in get_attempts(db, run_id)
    }


def arrived(bare: Path) -> dict[str, str]:
    return refs_in(bare, "refs/autopack", "refs/autopack-base", "refs/heads/autopack")


@pytest.mark.slow
async def test_the_runs_of_a_fleet_arrive_at_its_remote(db: Database, project: Project) -> None:
    bare = make_remote(project.repository)

    results = await fleet(project, push="central")

    assert [result["success"] for result in results] == [True, True]
    assert arrived(bare) == given_away(db, "many-1") | given_away(db, "many-2")


@pytest.mark.slow
async def test_replays_are_pushed_only_when_that_is_asked_for(
    db: Database, project: Project
) -> None:
    bare = make_remote(project.repository)
    await fleet(project, 1, push="central")
    before = arrived(bare)

    await replay(name="quiet", run_id=["many-1"], no_baseline=True)
    assert get_run(db, "quiet-1-candidate").state.is_final
    assert arrived(bare) == before, "the original was pushed, and nobody asked for its replay"

    await replay(name="loud", run_id=["many-1"], no_baseline=True, push=str(bare))
    assert arrived(bare) == before | given_away(db, "loud-1-candidate")


@pytest.mark.slow
async def test_both_arms_of_an_experiment_arrive_at_its_remote(db: Database, trial: Trial) -> None:
    bare = make_remote(trial.repository)

    report = await experiment(trial, push="central")

    [pair] = get_pairs(db, report["test_id"])
    assert pair.is_valid
    assert arrived(bare) == given_away(db, pair.runs[0]) | given_away(db, pair.runs[1])


@pytest.mark.parametrize("what", ["fleet", "replay", "experiment"])
async def test_a_remote_that_takes_nothing_is_refused_before_anything_is_stored(
    what: str, db: Database, project: Project, trial: Trial
) -> None:
    store_cancelled(db, project)
    repositories = (project.repository, trial.repository)
    for repository in repositories:
        make_remote(repository).rename(repository.with_name("away.git"))
    before = list_runs(db).rows, [fingerprint(repository) for repository in repositories]
    wanted = {
        "fleet": lambda: fleet(project, push="central"),
        "replay": lambda: replay(state="DONE_CANCELLED", push="central"),
        "experiment": lambda: experiment(trial, push="central"),
    }

    with pytest.raises(BadInput) as refused:
        await wanted[what]()

    assert refused.value.field == "push"
    assert before == (
        list_runs(db).rows,
        [fingerprint(repository) for repository in repositories],
    )
    with db.read() as conn:
        for table in ("ab_tests", "replay_campaigns", "budget_campaigns"):
            assert conn.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0
