"""An experiment without an effect, repeated on the runs that are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.campaigns import close
from support.projects import git, make_project

from autopack.experiments.dependence import dependence
from autopack.experiments.selftest import Half, Pair, repeat, selftest
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.rows import NewRun
from autopack.store.runs import create_run
from deployments.cli.experiments.ab_selftest import selftest as command

GOOD, BAD = RunState.DONE_SUCCESS, RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
AWAY = RunState.DONE_FAILED_ENVIRONMENT
BODY = {
    "goal": "g",
    "phases": [{"id": "one", "tier": "T1", "instructions": "do", "validate": ["true"]}],
}


@pytest.fixture
def engine_name() -> str:
    return "sqlite"


@pytest.fixture
def ran(database: Database, tmp_path: Path) -> Any:
    project = make_project(tmp_path / "project", {"one": [[]]})
    head = git(project.repository, "rev-parse", "HEAD").strip()

    def record(plan: int, number: int, state: RunState = GOOD, **more: Any) -> None:
        run_id = f"r-{plan}-{number}"
        values: dict[str, Any] = {
            "run_id": run_id,
            "plan_hash": f"{plan:064d}",
            "plan_body": BODY,
            "goal": "g",
            "repo": str(project.repository),
            "base_commit": head,
            "branch": f"autopack/{run_id}",
            "builder": "script",
            "builder_options": {},
            "model": "m",
            "models": {"builder": "m"},
            "features": (),
            "token_cap": 1_000,
            "cost_cap": None,
            "minutes_cap": 60,
            "at_cap": "fail",
        }
        create_run(database, NewRun(**values | more), [("one", "T1")])
        close(database, run_id, state, tokens=100 * plan + number)

    return record


def noise(plans: int, seed: int = 1) -> list[Pair]:
    dice = np.random.default_rng(seed)

    def half() -> Half:
        success = bool(dice.random() < 0.8)
        return Half(float(np.exp(11 + dice.normal())), success, float(success))

    return [(f"plan {number}", half(), half()) for number in range(plans)]


@pytest.mark.parametrize("plans", [7, 25])
def test_what_is_claimed_without_an_effect_stays_within_its_bound(plans: int) -> None:
    found = repeat(
        noise(plans), source="same", seed=0, repetitions=300, protocol=AnalysisProtocol()
    )
    assert found.cries_wolf is False
    assert sum(found.rates.values()) == pytest.approx(1)
    for share in (found.fewer, found.more, found.higher, found.lower):
        assert share is not None
        assert found.limit is not None
        assert share <= found.limit
    again = repeat(
        noise(plans), source="same", seed=0, repetitions=300, protocol=AnalysisProtocol()
    )
    assert again == found


def tied(kind: str, plans: int = 35, seed: int = 1) -> list[Pair]:
    """Pairs without an effect whose runs depend on each other, or do not."""
    dice = np.random.default_rng(seed)
    common = {
        "not at all": np.zeros(plans),
        # Every newer run needs a third less: a cache warmed up, a model changed.
        "drift": np.full(plans, -0.4),
        # Plans of one kind follow each other, and their runs differ alike.
        "clusters": np.repeat(dice.normal(0, 0.6, 7), plans // 7),
    }[kind]
    older = np.exp(11 + dice.normal(0, 0.5, plans))
    newer = older * np.exp(common + dice.normal(0, 0.3, plans))
    return [
        (f"plan {i}", Half(float(a), True, 1.0), Half(float(b), True, 1.0))
        for i, (a, b) in enumerate(zip(older, newer, strict=True))
    ]


@pytest.mark.parametrize(
    ("kind", "cries"), [("not at all", False), ("drift", True), ("clusters", True)]
)
def test_it_cries_wolf_where_runs_depend_on_each_other(kind: str, cries: bool) -> None:
    found = repeat(tied(kind), source="same", seed=0, repetitions=100, protocol=AnalysisProtocol())
    assert found.cries_wolf is cries
    assert found.dependence is not None
    assert found.dependence.is_there is cries
    assert ("compare only runs whose order was drawn" in found.sentence) is cries
    # Swapped one by one, the same runs give no more claims than they may.
    assert found.fewer is not None
    low, high = found.intervals["fewer"]
    assert low <= found.fewer <= high
    assert found.limit is not None
    assert found.fewer <= found.limit
    if cries:
        assert found.dependence.claims > 2 * found.dependence.expected


def test_independent_runs_seldom_look_dependent() -> None:
    alarms = 0
    for seed in range(20):
        pairs = tied("not at all", plans=21, seed=seed)
        found = dependence([(one.tokens, other.tokens) for _, one, other in pairs], seed=seed)
        assert found is not None
        alarms += found.is_there
    assert alarms <= 2
    assert dependence([(1.0, 2.0)] * 13, seed=0) is None


def test_runs_that_started_from_the_same_are_compared(database: Database, ran: Any) -> None:
    for plan in range(1, 8):
        ran(plan, 1)
        ran(plan, 2, BAD)
        ran(plan, 3, AWAY)  # says nothing of the agent
        ran(plan, 4, builder="codex")  # another agent
    found = selftest(database, repetitions=100)
    assert (found.source, found.plans, found.pairs) == ("same", 7, 7)
    assert found.cries_wolf is False


def test_too_few_runs_say_nothing(
    database: Database,
    ran: Any,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran(1, 1)
    ran(1, 2)
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert command(as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["cries_wolf"] is answer["limit"] is None
    assert "Nothing can be said yet: 7 plans are needed" in answer["sentence"]
