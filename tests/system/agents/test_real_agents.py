"""The real programs against the scripted server: they repair a file, and every token is found."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from support.building import made

from autopack.agents.claude_code.agent import ClaudeCodeBuilder
from autopack.agents.codex.agent import CodexBuilder
from autopack.agents.opencode.agent import OpencodeBuilder
from autopack.agents.pi.agent import PiBuilder
from autopack.agents.program import CommandLineAgent
from autopack.agents.protocol import (
    BuildRequest,
    BuildStatus,
)
from autopack.model.calls import (
    Exactness,
)
from autopack.process.supervisor import Supervisor
from autopack.testing.model_server import ScriptedModelServer

pytestmark = pytest.mark.slow

WAIT_MARK = f"7{os.getpid():07d}"
"""How long a tool would sleep, which tells its process from those of all other tests."""

AGENTS: list[type[CommandLineAgent]] = [ClaudeCodeBuilder, CodexBuilder, OpencodeBuilder, PiBuilder]
OTHER_SESSION = "681aa4b2-da7d-44b6-a2fa-fec84dc06090"
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


def _limit(agent: type[CommandLineAgent]) -> float:
    """Seconds in which the agent has surely begun; opencode alone is slow to start."""
    return 25.0 if agent is OpencodeBuilder else 10.0


def _waiting(agent: type[CommandLineAgent]) -> dict[str, object]:
    """A call that is over, then one whose tool does not end."""
    sleep: dict[str, object] = {"actions": [{"run": f"sleep {WAIT_MARK}"}]}
    if agent is CodexBuilder:  # which else may go on without its tool
        arguments = {"cmd": f"sleep {WAIT_MARK}", "yield_time_ms": 30_000}
        sleep = {"tools": [{"name": "exec_command", "arguments": arguments}]}
    return {"turns": [{"actions": [{"run": "ls"}]}, sleep, {"text": "No."}]}


MakeRequest = Callable[..., BuildRequest]
FULL = pytest.mark.full
ONE_OF_THEM = [AGENTS[0], *(pytest.param(agent, marks=FULL) for agent in AGENTS[1:])]
"""One agent in every run, all of them with --full."""


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.name)
def agent(request: pytest.FixtureRequest) -> type[CommandLineAgent]:
    return request.param


def connected(
    agent: type[CommandLineAgent], programs: Path, server: ScriptedModelServer
) -> CommandLineAgent:
    url = server.url if agent is ClaudeCodeBuilder else server.openai_url
    executable = str(programs / agent.program)
    return made(agent, executable=executable, base_url=url, model="fake-model", api_key=KEY)


def suite_passes(worktree: Path) -> bool:
    check = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(check, cwd=worktree, check=False).returncode == 0


async def test_the_file_is_repaired_and_every_token_is_found(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR) as server:
        request, builder = make_request(), connected(agent, programs, server)

        result = await builder.build(request, Supervisor())

        assert (result.status, result.summary) == (BuildStatus.ENDED, "Repaired.")
        assert suite_passes(request.worktree)
        totals, calls = server.totals(), builder.calls(request.spool)
        assert (len(calls), totals.calls) == (4, 4)
        for figure in ("total", "input", "cache_read", "cache_write", "output"):
            assert sum(getattr(call, figure) for call in calls) == getattr(totals, figure), figure
        assert {call.exactness for call in calls} == {Exactness.EXACT}


def _continuing(
    agent: type[CommandLineAgent], programs: Path, server: ScriptedModelServer
) -> CommandLineAgent:
    url = server.url if agent is ClaudeCodeBuilder else server.openai_url
    options = {"executable": str(programs / agent.program), "base_url": url, "model": "fake-model"}
    return made(agent, api_key=KEY, **options, **{"continue": "true"})


@FULL
async def test_a_continued_conversation_is_known_to_the_model_and_counted_once(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR) as server:
        builder, first = _continuing(agent, programs, server), make_request()
        spools = [first.spool.parent / str(number) for number in (1, 2, 3)]
        spent = 0
        for number, spool in enumerate(spools, 1):
            spool.mkdir(parents=True)
            earlier = number - 1 or None
            request = replace(first, spool=spool, attempt=number, earlier=earlier, hint="It fails")
            result = await builder.build(request, Supervisor())

            assert result.status is BuildStatus.ENDED, result.summary
            assert result.conversation is not None
            assert result.conversation.continues == earlier, result.conversation
            calls = builder.calls(spool)
            assert sum(call.total for call in calls) == server.totals().total - spent > 0
            assert {call.exactness for call in calls} == {Exactness.EXACT}
            spent = server.totals().total
        assert suite_passes(first.worktree)
        assert "Repaired." in json.dumps(server.served[-1].request), "what the first build said"


@FULL
async def test_a_conversation_that_its_program_does_not_know_is_begun_anew(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR) as server:
        builder, first = _continuing(agent, programs, server), make_request()
        spools = [first.spool.parent / str(number) for number in (1, 2)]
        for spool in spools:
            spool.mkdir()
        await builder.build(replace(first, spool=spools[0]), Supervisor())
        kept = json.loads((spools[0] / "session.json").read_text())
        other = "ses_0000000000000000000000000" if agent is OpencodeBuilder else OTHER_SESSION
        (spools[0] / "session.json").write_text(json.dumps(kept | {"session_id": other}))
        before = server.totals().total

        second = replace(first, spool=spools[1], attempt=2, earlier=1)
        result = await builder.build(second, Supervisor())

        assert result.status is BuildStatus.ENDED, result.summary
        assert result.conversation is not None
        assert result.conversation.continues is None
        assert "1" in (result.conversation.fresh_because or "")
        assert sum(call.total for call in result.calls) == server.totals().total - before > 0


@pytest.mark.parametrize(
    ("agent", "tool", "kind"),
    [
        (ClaudeCodeBuilder, "Agent", "general-purpose"),  # reported in the sum at the end alone
        (OpencodeBuilder, "task", "general"),  # in the database alone
    ],
)
async def test_the_calls_of_its_own_helpers_are_counted(
    agent: type[CommandLineAgent],
    tool: str,
    kind: str,
    programs: Path,
    make_request: MakeRequest,
) -> None:
    arguments = {"description": "look", "prompt": "HELP: look around", "subagent_type": kind}
    script = {
        "conversations": [
            {
                "when": "HELP: look around",
                "turns": [{"actions": [{"run": "ls"}]}, {"text": "Nothing there."}],
            },
            {"turns": [{"tools": [{"name": tool, "arguments": arguments}]}, {"text": "Done."}]},
        ]
    }
    with ScriptedModelServer(script) as server:
        request, builder = make_request(), connected(agent, programs, server)

        result = await builder.build(request, Supervisor())

        assert server.totals().calls == 4
        assert sum(call.total for call in result.calls) == server.totals().total


# What may pass is asked for again and again, for up to a minute.
@pytest.mark.parametrize(
    "mode", ["401", *(pytest.param(m, marks=FULL) for m in ("400", "429", "500"))]
)
async def test_a_provider_that_refuses_ends_the_build_with_its_cause(
    agent: type[CommandLineAgent],
    programs: Path,
    make_request: MakeRequest,
    mode: str,
) -> None:
    with ScriptedModelServer(REPAIR, mode=mode) as server:
        request, builder = make_request(), connected(agent, programs, server)
        began = time.monotonic()

        result = await builder.build(request, Supervisor())

        assert result.status is BuildStatus.FAILED
        assert mode in result.summary
        assert list(result.calls) == []
        assert 1 <= len(server.served) <= 12
        assert time.monotonic() - began < 100  # by itself, before its limit of 120 s


@pytest.mark.parametrize("agent", ONE_OF_THEM, indirect=True)
async def test_a_provider_that_hangs_ends_the_build_at_its_limit(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR, mode="hang") as server:
        request, builder = make_request(seconds=_limit(agent)), connected(agent, programs, server)
        began = time.monotonic()

        result = await builder.build(request, Supervisor())

        assert result.status is BuildStatus.TIMED_OUT
        assert time.monotonic() - began < _limit(agent) + 15
        assert len(server.served) >= 1


@pytest.mark.parametrize("agent", ONE_OF_THEM, indirect=True)
async def test_ended_while_a_tool_runs_nothing_is_left_and_the_spend_is_known(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(_waiting(agent)) as server:
        request, builder = make_request(seconds=_limit(agent)), connected(agent, programs, server)
        began = time.monotonic()

        result = await builder.build(request, Supervisor())

        assert result.status is BuildStatus.TIMED_OUT
        assert time.monotonic() - began < _limit(agent) + 15
        assert [process for process in psutil.process_iter() if _is_waiting(process)] == []
        # opencode tells of a call when its tools are done; Claude, told to end, may ask once more
        # and be gone before the answer is. One call at most is missing.
        served = [one.tokens.total for one in server.served]
        assert len(served) >= 2
        assert sum(call.total for call in result.calls) in (sum(served[:-1]), sum(served))


@pytest.mark.parametrize("agent", ONE_OF_THEM, indirect=True)
async def test_a_kill_leaves_a_spool_that_tells_what_was_spent(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest, tmp_path: Path
) -> None:
    """As when Autopack itself is killed: the calls are read from what the agent wrote."""
    copy = tmp_path / "copy"

    async def take_copy() -> None:
        while not builder.calls(request.spool) or len(server.served) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        shutil.copytree(request.spool, copy, symlinks=True, ignore_dangling_symlinks=True)

    with ScriptedModelServer(_waiting(agent)) as server:
        request, builder = make_request(seconds=60), connected(agent, programs, server)
        build = asyncio.create_task(builder.build(request, Supervisor()))
        await asyncio.wait_for(take_copy(), 60)
        build.cancel()
        await asyncio.wait({build})
        served = [one.tokens.total for one in server.served]

    assert not (copy / "calls.json").exists()
    told = [call.total for call in made(agent, model="fake-model").calls(copy)]
    # Of the call that was under way it tells what had come by then.
    assert told[:1] == served[:1]
    assert len(told) <= 2
    assert told[1:] <= served[1:2]
    assert [call.total for call in builder.calls(request.spool)][:1] == served[:1]


async def test_the_key_is_nowhere_in_what_is_left(
    agent: type[CommandLineAgent], programs: Path, make_request: MakeRequest
) -> None:
    with ScriptedModelServer(REPAIR, mode="401") as server:
        request, builder = make_request(), connected(agent, programs, server)

        result = await builder.build(request, Supervisor())

    left = [path for path in request.spool.parent.rglob("*") if path.is_file()]
    assert [path for path in left if KEY[-20:].encode() in path.read_bytes()] == []
    assert KEY not in result.summary


def test_probe_finds_the_version_and_misses_the_key(
    agent: type[CommandLineAgent], programs: Path
) -> None:
    probe = made(
        agent, executable=str(programs / agent.program), model="m", key_env="NO_KEY"
    ).probe()

    assert probe.installed
    assert probe.version
    assert "set NO_KEY" in (probe.hint or "")


def _is_waiting(process: psutil.Process) -> bool:
    try:
        return WAIT_MARK in " ".join(process.cmdline())
    except psutil.Error:
        return False
