"""The real programs against the scripted server: they repair a file, and every token is found."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from autopack.builders.agent import CommandLineAgent
from autopack.builders.claude_code import ClaudeCodeBuilder
from autopack.builders.codex import CodexBuilder
from autopack.builders.opencode import OpencodeBuilder
from autopack.builders.pi import PiBuilder
from autopack.builders.protocol import BuildRequest, BuildStatus, Exactness
from autopack.modelserver import ScriptedModelServer
from autopack.workspace.process import Supervisor

pytestmark = pytest.mark.slow

AGENTS: list[type[CommandLineAgent]] = [ClaudeCodeBuilder, CodexBuilder, OpencodeBuilder, PiBuilder]
KEY = "sk-canary-0123456789-abcdefghijklmnopqrstuvwxyz"
REPAIR: dict[str, object] = {
    "turns": [
        {
            "text": "I look first.",
            "actions": [{"read": "calc.py"}],
            "usage": {"input": 1011, "cache_read": 500, "output": 17, "reasoning": 5},
        },
        {
            "text": "I repair it.",
            "actions": [{"edit": {"path": "calc.py", "old": "a - b", "new": "a + b"}}],
            "usage": {"input": 2011, "cache_read": 500, "cache_write": 200, "output": 27},
        },
        {
            "text": "I try it.",
            "actions": [{"run": "python3 -c 'import calc; assert calc.add(1, 2) == 3'"}],
            "usage": {"input": 3011, "cache_read": 500, "output": 37, "reasoning": 5},
        },
        {"text": "Repaired.", "usage": {"input": 4011, "cache_read": 500, "output": 47}},
    ]
}

MakeRequest = Callable[..., BuildRequest]


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.name)
def agent(request: pytest.FixtureRequest) -> type[CommandLineAgent]:
    return request.param


def connected(
    agent: type[CommandLineAgent], programs: Path, server: ScriptedModelServer
) -> CommandLineAgent:
    url = server.url if agent is ClaudeCodeBuilder else server.openai_url
    executable = str(programs / agent.program)
    return agent(executable=executable, base_url=url, model="fake-model", api_key=KEY)


async def test_the_file_is_repaired_and_every_token_is_found(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR) as server:
        request, builder = make_request(), connected(agent, programs, server)

        result = await builder.build(request, Supervisor())

        assert (result.status, result.summary) == (BuildStatus.ENDED, "Repaired.")
        check = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        assert subprocess.run(check, cwd=request.worktree, check=False).returncode == 0
        totals, calls = server.totals(), builder.calls(request.spool)
        assert (len(calls), totals.calls) == (4, 4)
        for figure in ("total", "input", "cache_read", "cache_write", "output"):
            assert sum(getattr(call, figure) for call in calls) == getattr(totals, figure), figure
        assert {call.exactness for call in calls} == {Exactness.EXACT}


async def test_the_calls_of_its_own_helpers_are_counted(
    programs: Path, make_request: MakeRequest, agent: type[CommandLineAgent]
) -> None:
    """Claude Code reports them in its sum alone, opencode in its database alone."""
    tools = {"claude-code": ("Agent", "general-purpose"), "opencode": ("task", "general")}
    if agent.name not in tools:
        pytest.skip("starts no helpers with a plain tool call")
    name, kind = tools[agent.name]
    arguments = {"description": "look", "prompt": "HELP: look around", "subagent_type": kind}
    script = {
        "conversations": [
            {
                "when": "HELP: look around",
                "turns": [{"actions": [{"run": "ls"}]}, {"text": "Nothing there."}],
            },
            {"turns": [{"tools": [{"name": name, "arguments": arguments}]}, {"text": "Done."}]},
        ]
    }
    with ScriptedModelServer(script) as server:
        request, builder = make_request(), connected(agent, programs, server)

        result = await builder.build(request, Supervisor())

        assert server.totals().calls == 4
        assert sum(call.total for call in result.calls) == server.totals().total


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        ("401", "401"),
        ("400", "400"),
        ("429", "429"),
        ("500", "500"),
    ],
)
async def test_a_provider_that_refuses_ends_the_build_with_its_cause(
    agent: type[CommandLineAgent],
    programs: Path,
    make_request: MakeRequest,
    mode: str,
    cause: str,
) -> None:
    with ScriptedModelServer(REPAIR, mode=mode) as server:
        request, builder = make_request(), connected(agent, programs, server)
        began = time.monotonic()

        result = await builder.build(request, Supervisor())

        assert result.status is BuildStatus.FAILED
        assert cause in result.summary
        assert list(result.calls) == []
        assert 1 <= len(server.served) <= 12
        assert time.monotonic() - began < 100  # by itself, before its limit of 120 s


async def test_a_provider_that_hangs_ends_the_build_at_its_limit(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR, mode="hang") as server:
        request, builder = make_request(seconds=20), connected(agent, programs, server)
        began = time.monotonic()

        result = await builder.build(request, Supervisor())

        assert result.status is BuildStatus.TIMED_OUT
        assert time.monotonic() - began < 35
        assert len(server.served) >= 1


async def test_ended_while_a_tool_runs_nothing_is_left_and_the_spend_is_known(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    mark = "7654321"  # of the process: how long it would sleep
    wait = {"actions": [{"run": f"sleep {mark}"}], "usage": {"input": 900, "output": 30}}
    with ScriptedModelServer({"turns": [wait, {"text": "No."}]}) as server:
        request, builder = make_request(seconds=25), connected(agent, programs, server)
        began = time.monotonic()

        result = await builder.build(request, Supervisor())

        assert result.status is BuildStatus.TIMED_OUT
        assert time.monotonic() - began < 40
        assert [process for process in psutil.process_iter() if _has(process, mark)] == []
        # Claude, told to end, asks the model once more; that is counted as well.
        assert sum(call.total for call in result.calls) == server.totals().total


async def test_a_kill_leaves_a_spool_that_tells_the_same(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest, tmp_path: Path
) -> None:
    """As when Autopack itself is killed: the calls are read from what the agent wrote."""
    wait = {"actions": [{"run": "sleep 600"}], "usage": {"input": 900, "output": 30}}
    copy = tmp_path / "copy"

    class Witness:
        def look(self, output: bytes) -> str | None:
            import shutil

            if server.totals().calls < 1 or not builder.calls(request.spool):
                return None
            shutil.copytree(request.spool, copy, symlinks=True, ignore_dangling_symlinks=True)
            return "killed"

    with ScriptedModelServer({"turns": [wait, {"text": "No."}]}) as server:
        request, builder = make_request(seconds=60), connected(agent, programs, server)
        builder.watch = Witness  # pyright: ignore[reportAttributeAccessIssue]

        await builder.build(request, Supervisor())

    assert not (copy / "calls.json").exists()
    assert [call.total for call in agent(model="fake-model").calls(copy)] == [930]


async def test_the_key_is_nowhere_in_what_is_left(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR, mode="401") as server:
        request, builder = make_request(), connected(agent, programs, server)

        result = await builder.build(request, Supervisor())

    left = [path for path in request.spool.parent.rglob("*") if path.is_file()]
    assert [path for path in left if KEY[-20:].encode() in path.read_bytes()] == []
    assert KEY not in result.summary


def test_probe_finds_the_version(agent: type[CommandLineAgent], programs: Path) -> None:
    probe = agent(executable=str(programs / agent.program), model="m", environ={}).probe()

    assert probe.installed
    assert probe.version
    assert "not set" not in (probe.version or "")
    assert "set " in (probe.hint or "")


def _has(process: psutil.Process, mark: str) -> bool:
    try:
        return mark in " ".join(process.cmdline())
    except psutil.Error:
        return False
