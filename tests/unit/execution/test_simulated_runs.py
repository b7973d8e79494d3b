"""Many simulated runs with random caps: no cap is passed by more than the call under way, and
every level of the tree says what the ledger says."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import make_repository, write_yaml
from support.runs import carry_out

from autopack.budget import Limits
from autopack.clock import SystemClock
from autopack.execution.prepare import RunRequest, prepare_run
from autopack.execution.session import close_session, open_session
from autopack.execution.view import run_view
from autopack.store.budgets import campaign_level, set_campaign
from autopack.store.tables import llm_usage_events

SPEC = {
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
        plan = {"goal": "Spend", "setup": [], "phases": phases}
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
    assert whole.spent.tokens == sum(total for _, _, total in every)
    assert whole.spent.tokens <= 3000 * runs + max(total for _, _, total in every)
    assert whole.reserved.tokens == 0
    assert stopped > 0  # else nothing was shown


def calls_of(database: Any, run_id: str) -> list[tuple[str, int, int]]:
    """Phase, attempt and tokens of every call in the ledger."""
    events = llm_usage_events.c
    with database.read() as conn:
        rows = conn.execute(
            sa.select(events.phase_id, events.attempt, events.total_tokens).where(
                events.run_id == run_id
            )
        )
        return [tuple(row) for row in rows]


def agrees(run: dict[str, Any], calls: list[tuple[str, int, int]]) -> bool:
    """Compare each level with the ledger; whether a cap stopped the run."""
    for node in run["budget"]["tree"]:
        if node["level"] == "campaign":
            continue
        of_node = [
            total
            for phase, attempt, total in calls
            if node["level"] == "run" or node["name"] in (phase, f"{phase}/{attempt}")
        ]
        spent, limit = node["spent"]["tokens"], node["limits"]["tokens"]
        assert spent == sum(of_node), node
        assert node["reserved"]["tokens"] == 0
        if limit is not None and spent > limit:
            assert spent - limit < max(of_node), node
    return any("are used up" in d["reason"] for p in run["phases"] for d in p["decisions"])
