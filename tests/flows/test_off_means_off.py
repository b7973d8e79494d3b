"""Every feature: with it off its code does not run; the run records what was on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import call, make_project, make_repository

from autopack.context import context_pack
from autopack.model.errors import PlanError
from autopack.model.features import Feature
from autopack.plan.normalise import NotNormalised
from autopack.repair import decide
from autopack.runs.attempt import drift_gate
from autopack.runs.prepare import prepare
from autopack.runs.repair import run_patterns
from autopack.store import approvals, tables
from autopack.store.database.engine import Database

# Which code a feature guards: what must not be called, or None with the reason.
GUARDED: dict[Feature, tuple[Any, str] | str] = {
    Feature.FAILURE_HARDENING: (run_patterns, "enabled_patterns"),
    Feature.CONTEXT_PACK: (context_pack, "packed"),
    Feature.HOLDOUT: "only draws what another feature would do: see the test of hold-outs",
    Feature.INTENTION_CONTEXT: (drift_gate, "for_builder"),
    Feature.PLAN_NORMALIZATION: "only reads what is no plan file: see the test of plain text",
    Feature.PHASE6_METRICS: "only reads and sums what the run has recorded anyway",
    Feature.CONSOLIDATED_METRICS: "only decides whether claimed figures are shown",
}


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what is shown here is the order of calls."""
    return "sqlite"


def forbid(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[str]:
    """Note every call of a function, and carry it out."""
    called: list[str] = []
    real: Callable[..., Any] = getattr(module, name)

    def noting(*args: Any, **more: Any) -> Any:
        called.append(name)
        return real(*args, **more)

    monkeypatch.setattr(module, name, noting)
    return called


def test_every_feature_says_what_it_guards() -> None:
    assert set(GUARDED) == set(Feature)


async def run(folder: Path, **more: Any) -> dict[str, Any]:
    from flows import execute_run

    project = make_project(
        folder,
        {"one": [[call(1), {"files": {"a": "1"}}]]},
        plan={"goal": "Sort the list of names"},
        phase={"validate": ["false"], "budget": {"attempts": 1}},
    )
    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        **more,
    )


@pytest.mark.parametrize(
    "feature", [feature for feature, guarded in GUARDED.items() if not isinstance(guarded, str)]
)
@pytest.mark.parametrize("how", ["unset", "killed"])
async def test_with_a_feature_off_its_code_does_not_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feature: Feature, how: str
) -> None:
    guarded = GUARDED[feature]
    assert not isinstance(guarded, str)
    called = forbid(monkeypatch, *guarded)
    asked: list[str] = []
    if how == "killed":
        monkeypatch.setenv(feature.variable, "false")
        asked = [feature.value]
    answer = await run(tmp_path, features=asked)
    assert called == []
    assert feature.value not in answer["features"]


@pytest.mark.parametrize("how", ["on", "unset", "killed"])
async def test_plain_text_is_read_with_its_feature_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from flows import execute_run

    called = forbid(monkeypatch, prepare, "normalise")
    repository = make_repository(tmp_path / "repository", {"README.md": "hello\n"})
    notes = tmp_path / "notes.md"
    notes.write_text("The weather is nice.\n")
    if how == "killed":
        monkeypatch.setenv(Feature.PLAN_NORMALIZATION.variable, "false")
    # Nothing is asked for in it, so that no run begins in any case.
    with pytest.raises(NotNormalised if how == "on" else PlanError):
        await execute_run(
            plan=str(notes),
            repo=str(repository),
            builder_options="recording=x",
            features=[] if how == "unset" else [Feature.PLAN_NORMALIZATION.value],
        )
    assert called == (["normalise"] if how == "on" else [])


async def test_a_feature_that_is_on_runs_and_is_recorded(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardened = forbid(monkeypatch, run_patterns, "enabled_patterns")
    told = forbid(monkeypatch, drift_gate, "for_builder")
    answer = await run(tmp_path, features=["failure_hardening", "intention_context"])
    assert hardened
    assert told
    assert answer["features"] == ["failure_hardening", "intention_context"]


async def test_without_a_doctor_nobody_is_asked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = forbid(monkeypatch, decide, "route")
    await run(tmp_path)
    assert called == []


@pytest.mark.parametrize(
    ("drift", "features", "measured"),
    [
        ("advisory", [], False),
        ("advisory", ["intention_context"], True),
        ("off", ["intention_context"], False),
        # asked for by name
        ("block", [], True),
    ],
)
async def test_drift_is_measured_where_it_was_asked_for(
    home: Path, tmp_path: Path, drift: str, features: list[str], measured: bool
) -> None:
    from flows import execute_run

    project = make_project(
        tmp_path,
        {"one": [[{"files": {"a": "1"}}]], "two": [[{"files": {"b": "1"}}]]},
        plan={"goal": "Sort the list of names alphabetically", "policy": {"drift": drift}},
    )
    text = project.plan.read_text()
    text = text.replace("do one", "Sort the names in the list alphabetically")
    project.plan.write_text(text.replace("do two", "Repaint the kitchen of the lighthouse"))
    answer = await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        features=features,
    )
    db = Database.open(os.environ["DATABASE_URL"])
    with db.read() as conn:
        rows = conn.execute(sa.select(tables.drifts.c.drifted)).scalars().all()
    db.close()
    assert rows == ([False, True] if measured else [])
    if drift == "block":
        assert answer["state"] == "AWAITING_APPROVAL"
        assert [phase["state"] for phase in answer["phases"]] == ["COMPLETE", "QUEUED"]
        db = Database.open(os.environ["DATABASE_URL"])
        question = approvals.answer(db, answer["run_id"], approvals.Answer(True, by="a person"))
        db.close()
        assert "drifts from the goal" in question.question
        answer = await execute_run(run_id=answer["run_id"])
        assert answer["state"] == "DONE_SUCCESS"
    else:
        assert answer["state"] == "DONE_SUCCESS"
        kinds = [d["kind"] for d in answer["phases"][1]["decisions"]]
        assert ("drift" in kinds) == measured
