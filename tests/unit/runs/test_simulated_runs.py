"""Many simulated runs with random caps: no cap is passed by more than the call under way, and
every level of the tree says what the ledger says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import make_repository, write_yaml
from support.runs import carry_out

from autopack.clock import SystemClock
from autopack.ledger.budget.budget_tree import campaign_level, set_campaign
from autopack.model.budget import Limits
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.store.tables import llm_usage_events
from autopack.views.run_view import run_view

SPEC = {
    "provider": "anthropic",
    "model": "claude-haiku-4-5",
    "calls": {"uniform": [1, 6]},
    "input": {"lognormal": {"median": 300, "sigma": 1.0}},
    "output": {"uniform": [0, 200]},
    "success": 0.5,
    "error": 0.05,
    "crash": 0.1,
}


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> int:
    return 200 if request.config.getoption("--full") else 12


async def test_no_cap_is_passed_by_more_than_one_call(
    runs: int, tmp_path: Path, database: Any, settings: Any
) -> None:
    random = Random(7)
    repository = make_repository(tmp_path / "repository", {"README.md": "hello\n"})
    spec = write_yaml(tmp_path / "spec.yaml", SPEC)
    set_campaign(database, "all", Limits(tokens=3000 * runs))
    stopped = 0
    for number in range(runs):
        phases = [
            {
                "id": name,
                "instructions": name,
                "validate": [f"grep -q done {name}.txt"],
                "budget": {"tokens": random.randrange(300, 6000), "attempts": 3},
            }
            for name in ("one", "two", "three")
        ]
        cost = round(random.uniform(0.002, 0.03), 4)
        plan = {"goal": "Spend", "setup": [], "budget": {"cost": cost}, "phases": phases}
        request = RunRequest(
            plan=str(write_yaml(tmp_path / f"{number}.yaml", plan)),
            repo=str(repository),
            builder="simulated",
            builder_options={"spec": str(spec), "seed": str(number)},
            run_id=f"r{number}",
            token_cap=random.randrange(500, 12_000),
            campaign="all",
        )
        prepare_run(request, db=database, settings=settings, clock=SystemClock())
        session = open_session(f"r{number}", db=database, settings=settings, clock=SystemClock())
        try:
            await carry_out(session)
        finally:
            close_session(session)
        stopped += agrees(run_view(database, f"r{number}"), calls_of(database, f"r{number}"))
    whole = campaign_level(database, "all")
    every = [call for number in range(runs) for call in calls_of(database, f"r{number}")]
    tokens = [total for _, _, total, _ in every]
    assert whole.spent.tokens == sum(tokens)
    assert whole.spent.tokens <= 3000 * runs + max(tokens)
    assert whole.spent.cost == sum(cost for *_, cost in every)
    assert whole.reserved.tokens == 0
    assert stopped > 0  # else nothing was shown


def calls_of(database: Any, run_id: str) -> list[tuple[str, int, int, Decimal]]:
    """Phase, attempt, tokens and price of every call in the ledger."""
    events = llm_usage_events.c
    with database.read() as conn:
        rows = conn.execute(
            sa.select(events.phase_id, events.attempt, events.total_tokens, events.cost).where(
                events.run_id == run_id
            )
        )
        return [tuple(row) for row in rows]


def agrees(run: dict[str, Any], calls: list[tuple[str, int, int, Decimal]]) -> bool:
    """Compare each level with the ledger; whether a cap stopped the run."""
    for node in run["budget"]["tree"]:
        if node["level"] == "campaign":
            continue
        of_node = [
            (tokens, float(cost))
            for phase, attempt, tokens, cost in calls
            if node["level"] == "run" or node["name"] in (phase, f"{phase}/{attempt}")
        ]
        for resource, amounts in zip(("tokens", "cost"), zip(*of_node, strict=True), strict=False):
            spent, limit = node["spent"][resource], node["limits"][resource]
            assert spent == pytest.approx(sum(amounts)), node
            assert node["reserved"][resource] == 0
            if limit is not None and spent > limit:
                assert spent - limit < max(amounts), node
    return any("are used up" in d["reason"] for p in run["phases"] for d in p["decisions"])
