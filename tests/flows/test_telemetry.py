"""What a run leaves behind about its tokens, its errors and its features."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import call, make_project

from autopack.store.database.engine import Database
from autopack.store.tables import rollups as tables
from deployments.cli import run_command


def rows(table: sa.Table) -> list[Any]:
    db = Database.open(os.environ["DATABASE_URL"])
    try:
        with db.read() as conn:
            return list(conn.execute(sa.select(table).order_by(*table.primary_key)).mappings())
    finally:
        db.close()


async def run_twice_failing(tmp_path: Path, **more: Any) -> dict[str, Any]:
    from flows import execute_run

    project = make_project(
        tmp_path,
        {
            "one": [
                [call(3), {"files": {"word": "bad"}}],
                [call(4), {"files": {"word": "good"}}],
            ]
        },
        phase={"validate": ["grep -q good word"], "deliverables": ["word"]},
    )
    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="told",
        **more,
    )


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"])
async def test_every_attempt_tells_and_every_failure_is_logged(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    await run_twice_failing(tmp_path, features=["phase6_metrics", "consolidated_metrics"])

    (error,) = rows(tables.error_logs)
    assert (error["attempt"], error["pattern_id"]) == (1, None)
    assert error["error_type"]
    assert "grep" in error["message"]
    first, second = rows(tables.phase6_metrics)
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert first["failure_hardening_triggered"] is None
    efficiency = rows(tables.token_efficiency_metrics)
    assert [row["phase_outcome"] for row in efficiency] == ["FAILED", "COMPLETE"]
    assert efficiency[0]["deliverables_count"] == 1

    (view,) = rows(tables.consolidated_token_views)
    assert (view["spent_total"], view["by_category"]["base"]) == (7, 7)
    of_run = ArtifactFilter(key=ArtifactFilterKey(like_="autopack-tokens-told"))
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=of_run)
    artifacts = {one.key: one for one in found}
    table = json.loads(str(artifacts["autopack-tokens-told-purposes"].data))
    assert {"set": "spent", "figure": "total", "tokens": 7} in table
    assert str(artifacts["autopack-tokens-told-chart"].data).startswith("data:image/svg+xml")

    capsys.readouterr()
    assert run_command(["metrics", "told", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["phase6"]["phases"], answer["phase6"]["attempts"]) == (1, 2)
    assert answer["token_efficiency"]["outcomes"] == {"COMPLETE": 1, "FAILED": 1}
    assert run_command(["tokens", "told", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["spent"]["total"] == 7
    assert answer["claimed"]["ab_tokens_saved_measured"] is None
    assert answer["estimate_coverage"]["global"] == {"count": 0, "total_n": 0}

    for command, feature in (("metrics", "PHASE6"), ("tokens", "CONSOLIDATED")):
        monkeypatch.setenv(f"AUTOPACK_ENABLE_{feature}_METRICS", "false")
        assert run_command([command, "told", "--json"]) == 2
        assert f"AUTOPACK_ENABLE_{feature}_METRICS" in capsys.readouterr().out


async def test_a_run_without_the_features_has_only_its_errors_and_its_spend(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_twice_failing(tmp_path)

    assert len(rows(tables.error_logs)) == 1
    assert rows(tables.phase6_metrics) == rows(tables.token_efficiency_metrics) == []
    capsys.readouterr()
    assert run_command(["tokens", "told", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["spent"]["total"], answer["claimed"]) == (7, None)
    assert run_command(["metrics", "told", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["phase6"] is None
