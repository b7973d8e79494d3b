"""Patterns in runs: they watch first, and a run ends earlier with one that earned its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.projects import call, make_project

from autopack.repair.lifecycle.pattern_state import PatternState
from autopack.repair.lifecycle.transitions import history, latest
from autopack.runs.repair import mitigation_trial
from autopack.store.database.engine import Database
from autopack.store.mitigations import get_mitigations
from autopack.store.pattern_hits import get_hits

DOOMED = ["sh", "-c", "echo 'error: engine 17 gave up compiling the query' >&2; exit 1"]
PATTERN = {
    "id": "engine",
    "version": 1,
    "summary": "the engine gave up",
    "signature_version": 1,
    "literal": "gave up compiling the query",
    "regex": "^error: engine .* gave up compiling the query$",
    "mitigation": "stop_retrying",
}


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: the store is shown on both engines elsewhere."""
    return "sqlite"


def declare(home: Path, **changes: Any) -> None:
    folder = home / "patterns"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "engine.yaml").write_text(yaml.safe_dump({**PATTERN, **changes}))


async def run(folder: Path, run_id: str, builds: int = 3, **plan: Any) -> dict[str, Any]:
    from flows import execute_run

    check = plan.pop("check", DOOMED)
    project = make_project(
        folder / run_id,
        {"one": [[call(100), {"files": {f"a{n}": "1"}}] for n in range(builds)]},
        phase={"validate": [check], "budget": {"attempts": builds}},
        plan={"features": ["failure_hardening"], **plan},
    )
    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id=run_id,
    )


def database() -> Database:
    return Database.open(os.environ["DATABASE_URL"])


def state_of(db: Database) -> str:
    return next(one.to_state for key, one in latest(db).items() if key[0] == "engine")


async def test_a_pattern_watches_is_judged_by_what_follows_and_acts_once_it_may(
    home: Path, tmp_path: Path
) -> None:
    from deployments.cli import run_command

    declare(home)
    shadow = await run(tmp_path, "shadow")
    db = database()
    assert [one["kind"] for one in shadow["phases"][0]["decisions"]] == ["retry", "retry", "stop"]
    (hit,) = get_hits(db, limit=9)
    assert (hit.pattern_id, hit.state, hit.attempt) == ("engine", "shadow", 1)
    # Two later attempts failed after nothing but retries: a fact.
    assert (hit.verdict, hit.judged_by, hit.outcome) == ("right", "later attempts", "FAILED")
    assert get_mitigations(db, "shadow") == []

    for _ in range(2):
        assert run_command(["patterns", "promote", "engine", "--why", "it never helps"]) == 0
    assert state_of(db) == PatternState.MITIGATE
    acting = await run(tmp_path, "acting")
    kinds = [one["kind"] for one in acting["phases"][0]["decisions"]]
    assert kinds == ["mitigate", "stop"]
    assert acting["state"] == shadow["state"]
    assert (shadow["tokens"]["total"], acting["tokens"]["total"]) == (300, 100)

    # A changed detector begins again.
    declare(home, version=2)
    again = await run(tmp_path, "again")
    assert again["tokens"]["total"] == 300
    assert [one.to_state for one in history(db, "engine")] == [
        "shadow",
        "suggest",
        "mitigate",
        "shadow",
    ]
    db.close()


async def test_a_suggestion_is_told_and_does_nothing(home: Path, tmp_path: Path) -> None:
    from deployments.cli import run_command

    declare(home)
    for _ in range(2):
        assert run_command(["patterns", "promote", "engine", "--why", "see"]) == 0
    found = await run(tmp_path, "told", builds=2)
    kinds = [one["kind"] for one in found["phases"][0]["decisions"]]
    assert kinds == ["suggest", "retry", "stop"]


async def test_a_held_out_pattern_does_not_act_and_keeps_its_arm(
    home: Path, tmp_path: Path
) -> None:
    from deployments.cli import run_command

    declare(home)
    for _ in range(3):
        assert run_command(["patterns", "promote", "engine", "--why", "see"]) == 0
    held = await run(tmp_path, "held", builds=2, policy={"holdout": 1})
    assert held["features"] == ["failure_hardening", "holdout"]
    assert [one["kind"] for one in held["phases"][0]["decisions"]] == ["retry", "stop"]
    db = database()
    (hit,) = get_hits(db, limit=9)
    assert (hit.arm, hit.share, hit.outcome) == ("held_out", 1.0, "FAILED")
    # What it would have ended at once was tried again in vain.
    assert (hit.verdict, hit.judged_by) == ("right", "later attempts")
    db.close()


async def test_a_mitigation_is_tried_in_a_checkout_of_its_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mitigation_trial, "SAMPLE", 1)
    declare(home, mitigation="rerun_once")
    marker = tmp_path / "seen"
    check = ["sh", "-c", f"test -e {marker} || {{ touch {marker}; {DOOMED[2]}; }}"]
    await run(tmp_path, "flaky", builds=2, check=check)
    db = database()
    (hit,) = get_hits(db, limit=9)
    assert (hit.state, hit.verdict, hit.judged_by) == ("shadow", "right", "trial")
    assert get_mitigations(db, "flaky") == []
    await run(tmp_path, "solid", builds=1)
    hit = get_hits(db, limit=9)[0]
    assert (hit.run_id, hit.verdict, hit.judged_by) == ("solid", "wrong", "trial")
    assert not (home / "runs" / "solid" / "trial").exists()
    db.close()


async def test_a_listed_command_is_tried_and_an_unlisted_one_never_runs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mitigation_trial, "SAMPLE", 1)
    declare(home, mitigation={"name": "run_listed_command", "command": "touch made"})
    check = ["sh", "-c", f"test -e made || {{ {DOOMED[2]}; }}"]
    await run(tmp_path, "unlisted", builds=1, check=check)
    listed = {"policy": {"execute_fix": ["touch made"]}}
    await run(tmp_path, "listed", builds=1, check=check, **listed)
    db = database()
    later, first = get_hits(db, limit=9)
    assert (first.verdict, later.verdict, later.judged_by) == (None, "right", "trial")
    assert "not listed" in (first.tried or "")
    db.close()
