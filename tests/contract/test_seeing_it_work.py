"""Seeing runs work: figures in the list, live builds, times, and what to type next."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from autopack.model.states import AttemptState, RunState
from autopack.settings import Settings
from autopack.store import tables
from autopack.store.database.engine import Database
from deployments.cli.shared.next_steps import duration_text, next_steps


def test_the_list_of_runs_has_their_figures(autopack: Any, failed_run: str) -> None:
    [row] = autopack("runs", "--json").json["runs"]
    shown = autopack("show", failed_run, "--json").json
    assert (row["tokens"], row["cost"]) == (shown["tokens"]["total"], shown["cost"])
    assert row["duration_seconds"] >= 0
    text = autopack("runs").out
    assert f"{row['tokens']:,}" in text
    assert row["builder"] in text


def test_show_tells_how_long_attempts_took_and_what_to_type(autopack: Any, failed_run: str) -> None:
    out = autopack("show", failed_run).out
    assert "attempts of two: 1 failed after 0:0" in out
    assert f"next    autopack logs {failed_run} --phase two" in out
    assert f"next    autopack retry {failed_run}" in out


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_has_a_next_step(state: RunState) -> None:
    run = {"run_id": "r", "state": state.value, "repo": "/a", "phases": []}
    assert all(step.startswith("autopack ") and " r" in step for step in next_steps(run))
    assert next_steps(run)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.4, "0:00"), (187.2, "3:07"), (3720, "1:02:00")]
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_build_that_is_under_way_is_shown(
    autopack: Any, failed_run: str, settings: Settings
) -> None:
    assert autopack("show", failed_run, "--json").json["live"] == []
    db = Database.open(settings.database_url)
    table = tables.attempts
    last = sa.and_(table.c.phase_id == "two", table.c.attempt == 1)
    values = {"state": AttemptState.STARTED, "finished_at": None}
    db.transact(lambda conn: conn.execute(sa.update(table).where(last).values(values)))
    db.close()
    [live] = autopack("show", failed_run, "--json").json["live"]
    assert (live["phase_id"], live["attempt"]) == ("two", 1)
    assert live["elapsed_seconds"] >= 0
    assert "building two/1" in autopack("show", failed_run).out
    assert "being built" in autopack("tokens", failed_run).out


def test_the_columns_of_an_import_are_listed(autopack: Any) -> None:
    columns = {one["column"] for one in autopack("import", "--columns", "--json").json["columns"]}
    assert {"run_id", "phase_id", "model", "total_tokens", "cost"} <= columns
    assert autopack("import").code == 2


def test_one_is_told_as_one(autopack: Any, failed_run: str, tmp_path: Any) -> None:
    plan = tmp_path / "one.yaml"
    plan.write_text("goal: G\nphases: [{id: one, instructions: do, validate: ['true']}]\n")
    assert "the plan is valid: 1 phase\n" in autopack("plan", "check", str(plan)).out
