"""A run with context packs: its builders are shown files, and every attempt says which and how."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import call, git, make_project

from autopack.context.context_pack import ContextPack
from autopack.context.pack_tokens import count_tokens
from autopack.model.errors import BadInput
from autopack.runs.attempt import build_attempt
from autopack.store.database.engine import Database
from autopack.store.tables.rollups import token_efficiency_metrics
from deployments.cli import run_command

LARGE = "def word(value: int) -> int:\n" + "    value += 1  # the word grows\n" * 600


def rows() -> list[Any]:
    db = Database.open(os.environ["DATABASE_URL"])
    try:
        with db.read() as conn:
            table = token_efficiency_metrics
            return list(conn.execute(sa.select(table).order_by(table.c.attempt)).mappings())
    finally:
        db.close()


async def run(tmp_path: Path, **more: Any) -> dict[str, Any]:
    from flows import execute_run

    project = make_project(
        tmp_path,
        {
            "one": [
                [call(3), {"files": {"word.py": "bad"}}],
                [call(4), {"files": {"good": "good"}}],
            ]
        },
        phase={"instructions": "Write the good word", "validate": ["test -f good"]},
    )
    for name in ("word.py", "other_word.py"):
        (project.repository / name).write_text(LARGE)
    git(project.repository, "add", "-A")
    git(project.repository, "commit", "-qm", "files")
    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="shown",
        **more,
    )


async def test_every_attempt_is_shown_files_and_says_so(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[ContextPack] = []
    asked: list[str | None] = []
    real_pack, real_request = build_attempt.pack_for, build_attempt.BuildRequest

    def noting_pack(*args: Any) -> ContextPack | None:
        found = real_pack(*args)
        shown.extend([] if found is None else [found])
        return found

    def noting_request(**given: Any) -> Any:
        asked.append(given["files"])
        return real_request(**given)

    monkeypatch.setattr(build_attempt, "pack_for", noting_pack)
    monkeypatch.setattr(build_attempt, "BuildRequest", noting_request)
    await run(tmp_path, features=["context_pack", "consolidated_metrics"])

    found = rows()
    assert [row["phase_outcome"] for row in found] == ["FAILED", "COMPLETE"]
    assert asked == [pack.text for pack in shown]
    for row, pack in zip(found, shown, strict=True):
        assert row["budget_mode"] == "lexical"
        assert row["budget_used"] == count_tokens(pack.text) <= row["budget_cap"] == 8_000
        assert row["files_kept"] == len(pack.files) > 0
        assert row["files_kept"] + row["files_omitted"] == row["context_files_total"]
        assert row["artifact_substitutions"] == pack.substitutions
    # The first attempt changed word.py: to do that it read what the outline had left out.
    saves = {file.path: file.saves for file in shown[0].files}
    first, second = (row["tokens_saved_artifacts"] for row in found)
    assert first == sum(saves.values()) - saves["word.py"]
    assert second == shown[1].saved()
    assert saves["word.py"] > 0

    capsys.readouterr()
    assert run_command(["tokens", "shown", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["claimed"]["artifact_tokens_avoided_modelled"] == first + second
    assert run_command(["metrics", "shown", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["phase6"] is None
    assert answer["token_efficiency"]["budget_modes"] == {"lexical": 2}


async def test_settings_that_cannot_be_met_are_refused_before_the_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPACK_CONTEXT_BUDGET", "many")
    with pytest.raises(BadInput, match="AUTOPACK_CONTEXT_BUDGET"):
        await run(tmp_path, features=["context_pack"])
    assert rows() == []
