"""Further programs against the scripted server; the three main ones are in `test_real_agents`."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.building import made
from support.npm import need_npm

from autopack.agents.aider.agent import AiderBuilder
from autopack.agents.gemini.agent import GeminiBuilder
from autopack.agents.mini_swe_agent.agent import MiniSweAgentBuilder
from autopack.agents.program import CommandLineAgent
from autopack.agents.protocol import BuildRequest, BuildStatus
from autopack.agents.qwen.agent import QwenBuilder
from autopack.model.calls import Exactness
from autopack.process.supervisor import Supervisor
from autopack.testing.model_server import ScriptedModelServer

pytestmark = pytest.mark.full

PYTHON: list[type[CommandLineAgent]] = [MiniSweAgentBuilder, AiderBuilder]
AGENTS: list[type[CommandLineAgent]] = [GeminiBuilder, QwenBuilder, *PYTHON]
CACHE = Path("~/.cache/autopack-tests").expanduser()
KEY = "sk-canary-0123456789-abcdefghijklmnopqrstuvwxyz"
BLOCK = """Repaired.

calc.py
```
<<<<<<< SEARCH
    return a - b
=======
    return a + b
>>>>>>> REPLACE
```
"""
"""How a model edits by text."""
DONE: dict[str, Any] = {"actions": [{"run": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"}]}
"""How mini-SWE-agent's model says that it is done; it has no other way."""


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.name)
def agent(request: pytest.FixtureRequest) -> type[CommandLineAgent]:
    return request.param


@pytest.fixture
def executable(agent: type[CommandLineAgent]) -> Path:
    """The program, installed once, each in a folder of its own."""
    [version] = agent.tested
    folder = CACHE / f"{agent.name}-{version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{agent.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(agent, folder, version)
            (folder / "installed").touch()
    kind = "bin" if agent in PYTHON else "node_modules/.bin"
    return folder / kind / agent.program


def _install(agent: type[CommandLineAgent], folder: Path, version: str) -> None:
    if agent in PYTHON:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        packages = [f"{agent.package}=={version}", "mcp"]
        subprocess.run([folder / "bin" / "pip", "install", "-q", *packages], check=True)
        return
    prefix = [need_npm(), "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
    subprocess.run([*prefix, f"{agent.package}@{version}"], check=True)


def connected(
    agent: type[CommandLineAgent], executable: Path, server: ScriptedModelServer, **more: str
) -> CommandLineAgent:
    url = server.url if agent is GeminiBuilder else server.openai_url
    model = "gemini-2.5-flash" if agent is GeminiBuilder else "fake-model"
    return made(agent, executable=str(executable), base_url=url, model=model, api_key=KEY, **more)


def repair(agent: type[CommandLineAgent], request: BuildRequest) -> dict[str, Any]:
    file = str(request.worktree / "calc.py")
    if agent is AiderBuilder:  # which has no tools
        return {"aside": {"text": BLOCK, "usage": {"input": 511, "cache_read": 500, "output": 47}}}
    last = DONE if agent is MiniSweAgentBuilder else {}
    return {
        "turns": [
            {
                "text": "I look first.",
                "actions": [{"read": file}],
                "usage": {"input": 1011, "cache_read": 500, "output": 17, "reasoning": 5},
            },
            {
                "text": "I repair it.",
                "actions": [{"edit": {"path": file, "old": "a - b", "new": "a + b"}}],
                "usage": {"input": 2011, "cache_read": 500, "output": 27},
            },
            {
                "text": "Repaired.",
                "usage": {"input": 4011, "cache_read": 500, "output": 47},
                **last,
            },
        ]
    }


async def test_the_file_is_repaired_and_every_token_is_found(
    agent: type[CommandLineAgent],
    executable: Path,
    make_request: Callable[..., BuildRequest],
) -> None:
    request = make_request()
    with ScriptedModelServer(repair(agent, request)) as server:
        builder = connected(agent, executable, server)
        result = await builder.build(request, Supervisor())

        assert result.status is BuildStatus.ENDED
        assert "a + b" in (request.worktree / "calc.py").read_text()
        totals, calls = server.totals(), builder.calls(request.spool)
        assert len(calls) == totals.calls
        assert agent is AiderBuilder or len(calls) == 3
        assert sum(call.total for call in calls) == totals.total
        split = () if agent is AiderBuilder else ("input", "cache_read", "cache_write", "output")
        for figure in split:
            assert sum(getattr(call, figure) for call in calls) == getattr(totals, figure), figure
        assert {call.exactness for call in calls} == {Exactness.EXACT}
        assert builder.spend(request.spool).exactness is Exactness.EXACT


@pytest.mark.parametrize("mode", ["401", "400"])
async def test_what_the_provider_refuses_is_told_as_its_answer(
    agent: type[CommandLineAgent],
    executable: Path,
    make_request: Callable[..., BuildRequest],
    mode: str,
) -> None:
    request = make_request(seconds=90)
    with ScriptedModelServer({"turns": [{"text": "never said"}]}, mode=mode) as server:
        builder = (
            connected(agent, executable, server, retries="0")
            if _retries(agent)
            else (connected(agent, executable, server))
        )
        result = await builder.build(request, Supervisor())
        assert (result.status, result.http_status) == (BuildStatus.FAILED, int(mode))
        assert sum(call.total for call in builder.calls(request.spool)) == 0


def _retries(agent: type[CommandLineAgent]) -> bool:
    return "retries" in agent.options_class.model_fields
