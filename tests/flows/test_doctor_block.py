"""The doctor's key and endpoint come from its block, and are kept nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from support.projects import call, make_project

from autopack.model.errors import NotFound
from autopack.testing.model_server.model_script import Script
from autopack.testing.model_server.server import ScriptedModelServer
from blocks import AutopackDoctor
from blocks.configured import configured_doctor

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine_name", ["sqlite"])]

KEY = "sk-ant-doctor-0123456789abcdef"
ANSWER = {"action": "retry_with_fix", "confidence": 0.9, "rationale": "so", "hint": "write good"}


def files_with(text: str, folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()
    ]


async def test_a_run_asks_the_doctor_of_its_block(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import execute_run

    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    bad = [call(1), {"files": {"word": "bad\n"}}]
    good = [call(1), {"files": {"word": "good\n"}}]
    project = make_project(
        tmp_path,
        {"one": [bad, bad, good]},
        plan={"policy": {"doctor": "api"}, "models": {"doctor_cheap": "claude-haiku-4-5"}},
        phase={"validate": ["grep -q good word"], "budget": {"attempts": 3}},
    )
    turn = {"tools": [{"name": "final_result", "arguments": ANSWER}]}
    script = Script.model_validate({"conversations": [{"times": 1, "turns": [turn]}]})
    with ScriptedModelServer(script) as server:
        block = AutopackDoctor(api_key=SecretStr(KEY), base_url=server.url)
        await block.save("default", overwrite=True)
        try:
            run = await execute_run(
                plan=str(project.plan),
                repo=str(project.repository),
                builder_options=f"recording={project.recording}",
            )
        finally:
            await AutopackDoctor.adelete("default")
        assert len(server.served) == 1
    assert run["state"] == "DONE_SUCCESS"
    assert any(one["kind"] == "doctor" for one in run["phases"][0]["decisions"])
    assert files_with(KEY, home) == []


async def test_a_block_that_is_named_has_to_exist(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await configured_doctor() is None
    monkeypatch.setenv("AUTOPACK_DOCTOR_BLOCK", "nobody")
    with pytest.raises(NotFound) as missing:
        await configured_doctor()
    assert missing.value.field == "AUTOPACK_DOCTOR_BLOCK"
