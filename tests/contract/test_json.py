"""The JSON that scripts depend on: keys and kinds of values, as promised. Additions are free."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from support.projects import Project

RUN = {
    "run_id",
    "state",
    "goal",
    "repo",
    "base_commit",
    "head_commit",
    "branch",
    "builder",
    "model",
    "features",
    "started_at",
    "finished_at",
    "failure_reason",
    "flow_run_id",
    "tokens",
    "cost",
    "budget",
    "total_phases",
    "completed_phases",
    "failed_phases",
    "executing_phases",
    "percent_complete",
    "phases",
}
SPLIT = {"total", "input", "cache_read", "cache_write", "output", "unsplit", "unknown_builds"}
PHASE = {"phase_id", "tier", "state", "attempts", "commit", "tokens", "failure", "decisions"}
TOKENS = {
    "run_id",
    "spent",
    "claimed",
    "estimate_coverage",
    "events",
    "unreconciled_calls",
    "cost",
}
TOOLCHAIN = {"name", "manager", "path", "confidence", "evidence", "install", "build", "test"}
HEALTH = {"status", "version", "database", "prefect", "kill_switches", "circuits", "sandbox"}


@pytest.fixture
def run(autopack: Any, failed_run: str) -> Any:
    return autopack("show", failed_run, "--json").json


def test_a_run_has_every_key(run: Any) -> None:
    assert set(run) >= RUN
    assert set(run["tokens"]) == SPLIT
    assert {"limits", "spent", "reserved"} <= set(run["budget"])
    for phase in run["phases"]:
        assert set(phase) >= PHASE


def test_a_run_says_how_it_stands(run: Any) -> None:
    assert run["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert "two" in run["failure_reason"]
    counts = ("total_phases", "completed_phases", "failed_phases", "executing_phases")
    assert [run[name] for name in counts] == [2, 1, 1, 0]
    assert run["percent_complete"] == 50
    assert (run["branch"], run["builder"]) == ("autopack/failed", "script")


def test_a_phase_says_what_became_of_it(run: Any) -> None:
    one, two = run["phases"]
    assert (one["state"], one["attempts"], one["failure"]) == ("COMPLETE", 1, None)
    assert one["commit"] == run["head_commit"]
    assert (two["state"], two["attempts"], two["commit"]) == ("FAILED", 1, None)
    assert set(two["failure"]) == {"cause", "message"}
    assert [set(row) for row in two["decisions"]] == [{"attempt", "kind", "reason"}]
    assert [row["kind"] for row in one["decisions"] + two["decisions"]] == ["complete", "stop"]


def test_tokens_mean_one_thing(run: Any) -> None:
    tokens = run["tokens"]
    assert tokens == {
        "total": 1107,
        "input": 900,
        "cache_read": 50,
        "cache_write": 30,
        "output": 120,
        "unsplit": 7,
        "unknown_builds": 0,
    }
    assert tokens["total"] == sum(count for name, count in tokens.items() if name != "total")
    assert [phase["tokens"] for phase in run["phases"]] == [1100, 7]
    assert run["budget"]["spent"]["tokens"] == tokens["total"]


def test_what_is_unknown_is_null(run: Any) -> None:
    # One of the calls has a total alone, and so no price; the other is known all the same.
    assert run["cost"] is None
    assert run["cost_known"] > 0
    assert run["unpriced_calls"] == 1
    assert run["flow_run_id"] is None


def test_times_are_iso_8601_in_utc(run: Any) -> None:
    for name in ("started_at", "finished_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", run[name])
        assert datetime.fromisoformat(run[name]).utcoffset() is not None


def test_numbers_are_numbers(run: Any) -> None:
    numbers = [
        *run["tokens"].values(),
        *run["budget"]["limits"].values(),
        *run["budget"]["spent"].values(),
        *run["budget"]["reserved"].values(),
        *(phase["tokens"] for phase in run["phases"]),
        *(phase["attempts"] for phase in run["phases"]),
        run["percent_complete"],
    ]
    assert all(number is None or isinstance(number, int | float) for number in numbers)
    assert not any(isinstance(number, bool) for number in numbers)


def test_a_run_that_has_not_begun_has_no_times(autopack: Any, project: Project) -> None:
    from autopack.clock import SystemClock
    from autopack.runs.prepare.prepare import RunRequest, prepare_run
    from autopack.settings import Settings
    from autopack.store.database.engine import Database

    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    options = {"recording": str(project.recording)}
    request = RunRequest(
        str(project.plan), str(project.repository), builder_options=options, run_id="fresh"
    )
    prepare_run(request, db=db, settings=settings, clock=SystemClock())
    db.close()
    run = autopack("show", "fresh", "--json").json
    assert set(run) >= RUN
    unknown = ("started_at", "finished_at", "head_commit", "failure_reason", "model")
    assert [run[name] for name in unknown] == [None] * len(unknown)
    assert (run["state"], run["features"], run["cost"]) == ("RUN_CREATED", [], 0)


def test_tokens(autopack: Any, failed_run: str) -> None:
    answer = autopack("tokens", failed_run, "--json").json
    assert set(answer) >= TOKENS
    assert set(answer["spent"]) == SPLIT | {"by_category", "by_role"}
    assert answer["spent"]["by_category"] == {
        "base": 1107,
        "retrieval": 0,
        "second_opinion": 0,
        "evidence_request": 0,
    }
    assert sum(answer["spent"]["by_role"].values()) == answer["spent"]["total"] == 1107
    # Nothing is claimed unless the run measured it.
    assert answer["claimed"] is None
    assert (answer["events"], answer["unreconciled_calls"], answer["cost"]) == (2, 0, None)


def test_runs(autopack: Any, failed_run: str) -> None:
    answer = autopack("runs", "--json").json
    assert set(answer) >= {"runs", "next_cursor"}
    (row,) = answer["runs"]
    assert {"run_id", "state", "goal", "repo", "branch", "started_at", "finished_at"} <= set(row)
    assert answer["next_cursor"] is None


def test_toolchain(autopack: Any, project: Project) -> None:
    (found,) = autopack("toolchain", str(project.repository), "--json").json["toolchains"]
    assert set(found) >= TOOLCHAIN
    assert (found["name"], found["manager"]) == ("node", "npm")
    assert 0.0 <= found["confidence"] <= 1.0
    for kind in ("install", "build", "test"):
        assert all(isinstance(word, str) for command in found[kind] for word in command)


def test_plan_check(autopack: Any, project: Project) -> None:
    answer = autopack("plan", "check", str(project.plan), "--json").json
    assert answer["valid"] is True
    assert {"goal", "setup", "features", "policy", "models", "budget", "phases"} <= set(
        answer["plan"]
    )
    assert {"id", "tier", "instructions", "deliverables", "scope", "validate", "depends_on"} <= set(
        answer["plan"]["phases"][0]
    )


def test_health(autopack: Any) -> None:
    answer = autopack("health", "--json").json
    assert set(answer) >= HEALTH
    assert answer["status"] == "healthy"
    assert {"engine", "url_masked", "identity", "schema", "head"} <= set(answer["database"])
    assert answer["database"]["schema"] == answer["database"]["head"]
    assert {"reachable", "url", "version"} <= set(answer["prefect"])
    assert answer["kill_switches"] == {
        "phase6_metrics": False,
        "consolidated_metrics": False,
        "failure_hardening": False,
        "intention_context": False,
        "plan_normalization": False,
        "context_pack": False,
        "holdout": False,
    }


def test_a_kill_switch_shows_in_the_health(autopack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOPACK_ENABLE_FAILURE_HARDENING", "off")
    switches = autopack("health", "--json").json["kill_switches"]
    assert [name for name, off in switches.items() if off] == ["failure_hardening"]


def test_an_unhealthy_database_keeps_its_keys(
    autopack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hidden@127.0.0.1:1/none")
    answer = autopack("health", "--json").json
    assert {"engine", "url_masked", "identity", "schema", "head"} <= set(answer["database"])
    assert answer["database"]["engine"] == "postgresql"
