"""How each adapter calls its program, seen from a program that notes what it was given."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.building import made
from support.noting_program import KEY, build_request, noted_build, noting_program

from autopack.agents.aider.agent import AiderBuilder
from autopack.agents.claude_code.agent import ClaudeCodeBuilder
from autopack.agents.codex.agent import CodexBuilder
from autopack.agents.gemini.agent import GeminiBuilder
from autopack.agents.mini_swe_agent.agent import MiniSweAgentBuilder
from autopack.agents.opencode.agent import OpencodeBuilder
from autopack.agents.pi.agent import PiBuilder
from autopack.agents.program import CommandLineAgent
from autopack.agents.protocol import (
    BuildLimits,
    BuildRequest,
    BuildResult,
    BuildStatus,
)
from autopack.agents.qwen.agent import QwenBuilder
from autopack.model.errors import BadInput
from autopack.plan.plan import Plan
from autopack.process.supervisor import Supervisor

DATA = Path(__file__).parents[2] / "data" / "agents"
AGENTS: list[type[CommandLineAgent]] = [
    ClaudeCodeBuilder,
    CodexBuilder,
    OpencodeBuilder,
    PiBuilder,
    GeminiBuilder,
    QwenBuilder,
    MiniSweAgentBuilder,
    AiderBuilder,
]


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    return build_request(tmp_path)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    return lambda body="pass": noting_program(tmp_path, body)


@dataclass(frozen=True)
class Build:
    """One build by an agent: what it was given and what is left."""

    noted: dict[str, Any]
    request: BuildRequest
    left: dict[str, str]


@pytest.fixture(scope="module", params=AGENTS)
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build by each agent in turn, done once."""
    folder = tmp_path_factory.mktemp("build")
    asked = build_request(folder)
    program = partial(noting_program, folder)
    noted = asyncio.run(noted_build(request.param, program, asked))
    left = {str(path): path.read_text() for path in asked.spool.rglob("*") if path.is_file()}
    return Build(noted, asked, left)


class TestABuild:
    def test_gives_the_prompt_by_stdin_in_the_worktree(self, build: Build) -> None:
        assert "- begins with a dash" in build.noted["stdin"]
        assert build.noted["cwd"] == build.noted["env"]["PWD"] == str(build.request.worktree)

    def test_has_a_home_of_its_own_and_none_of_the_users_settings(self, build: Build) -> None:
        environment = build.noted["env"]
        assert Path(build.noted["home"]).is_relative_to(build.request.spool)
        assert not [value for value in environment.values() if value in ("/user", "http://user")]
        assert environment["KEPT"] == "yes"

    def test_gives_the_key_by_environment_alone(self, build: Build) -> None:
        given = [build.noted["argv"], build.noted["files"], build.noted["stdin"]]
        assert KEY in build.noted["env"].values()
        assert KEY not in json.dumps(given)
        assert KEY not in json.dumps(build.left)

    def test_leaves_no_home_behind(self, build: Build) -> None:
        assert not [path for path in build.left if path.startswith(build.noted["home"])]

    def test_is_called_with_the_runs_model(self, build: Build) -> None:
        argv = build.noted["argv"]
        assert argv[argv.index("--model") + 1] in (
            "m/big-1",
            "autopack/m/big-1",
            "openai/m/big-1",
        )


@pytest.mark.parametrize("agent", AGENTS)
class TestEveryAgent:
    def test_that_is_not_installed_says_what_to_install(
        self, agent: type[CommandLineAgent], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        builder = made(agent, model="m")

        with pytest.raises(BadInput) as refused:
            builder.check(_plan())

        assert (agent.install or f"npm install -g {agent.package}") in (refused.value.hint or "")
        assert builder.probe().installed is False

    def test_without_a_key_says_which_variable_to_set(
        self, agent: type[CommandLineAgent], program: Any
    ) -> None:
        path, _ = program()
        builder = made(agent, model="m", executable=str(path), key_env="MY_KEY")

        with pytest.raises(BadInput, match="MY_KEY is not set"):
            builder.check(_plan())

        probe = builder.probe()
        assert (probe.installed, probe.version) == (True, "1.2.3")
        assert "MY_KEY" in (probe.hint or "")

    def test_needs_no_key_for_an_endpoint_of_ones_own(
        self, agent: type[CommandLineAgent], program: Any
    ) -> None:
        path, _ = program()

        made(agent, model="m", executable=str(path), base_url="http://x/v1").check(_plan())

    async def test_that_cannot_start_fails_with_the_reason(
        self, agent: type[CommandLineAgent], request_: BuildRequest, tmp_path: Path
    ) -> None:
        path = tmp_path / "broken"
        path.write_text("#!/no/such/interpreter\n")
        path.chmod(0o755)
        builder = made(agent, model="m", executable=str(path), base_url="http://x/v1")

        result = await builder.build(request_, Supervisor())

        assert result.status is BuildStatus.FAILED
        assert "exit status 12" in result.summary


async def test_out_of_time_keeps_what_was_printed(program: Any, request_: BuildRequest) -> None:
    path, _ = program("print('begun', flush=True); import time; time.sleep(60)")
    builder = made(PiBuilder, model="m", executable=str(path), base_url="http://x/v1")
    request = replace(request_, limits=BuildLimits(seconds=1.5))

    result = await builder.build(request, Supervisor())

    assert result.status is BuildStatus.TIMED_OUT
    assert "begun" in (request.spool / "builder.out").read_text()


@pytest.mark.parametrize(
    ("agent", "body_prints", "total"),
    [
        (ClaudeCodeBuilder, "claude.partial.ok.stdout", 12572),
        (CodexBuilder, "codex.ok.stdout", 10172),
        (OpencodeBuilder, "opencode.ok.stdout", 14212),
        (PiBuilder, "pi.ok.stdout", 10172),
    ],
)
async def test_calls_are_found_after_the_build_and_after_a_kill(
    agent: type[CommandLineAgent],
    body_prints: str,
    total: int,
    program: Any,
    request_: BuildRequest,
) -> None:
    path, _ = program(f"print(open({str(DATA / body_prints)!r}).read())")
    builder = made(agent, model="m", executable=str(path), base_url="http://x/v1")

    result: BuildResult = await builder.build(request_, Supervisor())

    assert result.status is BuildStatus.ENDED
    assert sum(call.total for call in result.calls) == total
    assert list(builder.calls(request_.spool)) == list(result.calls)
    (request_.spool / "calls.json").unlink()  # as a killed build leaves its spool
    assert sum(call.total for call in made(agent, model="m").calls(request_.spool)) == total


async def test_claude_stops_at_the_turn_limit_and_streams_partial_messages(
    program: Any, request_: BuildRequest
) -> None:
    noted = await noted_build(ClaudeCodeBuilder, program, request_, max_turns="7", key_env="X_KEY")

    argv = noted["argv"]
    assert argv[argv.index("--max-turns") + 1] == "7"
    assert "--include-partial-messages" in argv
    assert noted["env"]["ANTHROPIC_API_KEY"] == KEY
    assert noted["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9/v1"


async def test_claude_takes_a_token_of_a_subscription(program: Any, request_: BuildRequest) -> None:
    noted = await noted_build(
        ClaudeCodeBuilder, program, request_, key_env="CLAUDE_CODE_OAUTH_TOKEN", base_url=""
    )

    assert noted["env"]["CLAUDE_CODE_OAUTH_TOKEN"] == KEY
    assert "ANTHROPIC_API_KEY" not in noted["env"]


async def test_codex_configuration_names_the_variable_of_the_key(
    program: Any, request_: BuildRequest
) -> None:
    noted = await noted_build(CodexBuilder, program, request_, base_url='http://h/"v1"')

    config = tomllib.loads(noted["files"][".codex/config.toml"])
    provider = config["model_providers"]["autopack"]
    assert (provider["env_key"], provider["base_url"]) == ("OPENAI_API_KEY", 'http://h/"v1"')
    assert config["shell_environment_policy"]["exclude"] == ["OPENAI_API_KEY"]


async def test_opencode_reads_its_key_by_substitution(program: Any, request_: BuildRequest) -> None:
    noted = await noted_build(OpencodeBuilder, program, request_, api="messages")

    config = json.loads(noted["files"]["autopack.json"])
    endpoint = config["provider"]["autopack"]
    assert endpoint["options"]["apiKey"] == "{env:AUTOPACK_BUILDER_KEY}"
    assert endpoint["npm"] == "@ai-sdk/anthropic"


async def test_pi_reads_its_key_by_the_variables_name(program: Any, request_: BuildRequest) -> None:
    noted = await noted_build(PiBuilder, program, request_, model="gpt-5")

    config = json.loads(noted["files"][".pi/agent/models.json"])
    assert config["providers"]["autopack"]["apiKey"] == "AUTOPACK_BUILDER_KEY"


async def test_pi_takes_provider_and_model_in_one(program: Any, request_: BuildRequest) -> None:
    noted = await noted_build(PiBuilder, program, request_, model="openrouter/x/y", base_url="")

    assert ".pi/agent/models.json" not in noted["files"]
    assert noted["env"]["OPENROUTER_API_KEY"] == KEY
    assert "openrouter" in noted["argv"]
    assert "x/y" in noted["argv"]


@pytest.mark.parametrize("agent", [OpencodeBuilder, PiBuilder])
def test_agents_for_any_provider_need_a_model(agent: type[CommandLineAgent], program: Any) -> None:
    path, _ = program()

    with pytest.raises(BadInput, match="needs a model"):
        made(agent, executable=str(path), base_url="http://x").check(_plan())

    made(agent, executable=str(path), base_url="http://x").check(_plan(model="m"))


@pytest.mark.parametrize(
    ("agent", "options", "field"),
    [
        (ClaudeCodeBuilder, {"max_turns": "many"}, "max_turns"),
        (ClaudeCodeBuilder, {"max_turns": "0"}, "max_turns"),
        (CodexBuilder, {"sandbox": "off"}, "sandbox"),
        (CodexBuilder, {"retries": "-1"}, "retries"),
        (CodexBuilder, {"stall": "0"}, "stall"),
        (OpencodeBuilder, {"stall": "nan"}, "stall"),
        (OpencodeBuilder, {"max_files": "0"}, "max_files"),
        (PiBuilder, {"api": "soap"}, "api"),
    ],
)
def test_an_option_out_of_range_is_refused(
    agent: type[CommandLineAgent], options: dict[str, str], field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        made(agent, **options)

    assert refused.value.field == field


async def test_opencode_is_ended_when_its_provider_refuses_for_ever(
    program: Any, request_: BuildRequest
) -> None:
    refusal = 'level=ERROR message="stream error" error.error="AI_APICallError: Too Many Requests"'
    path, _ = program(
        f"print({refusal!r} + chr(10), flush=True); [print({refusal!r}, flush=True) "
        "or __import__('time').sleep(0.1) for _ in range(600)]"
    )
    builder = made(OpencodeBuilder, model="m", executable=str(path), base_url="http://x/v1")

    result = await builder.build(request_, Supervisor())

    assert result.status is BuildStatus.FAILED
    assert "Too Many Requests" in result.summary


@pytest.mark.parametrize(
    ("options", "confined", "expected"),
    [
        ({}, "off", "workspace-write"),
        ({}, "bwrap", "danger-full-access"),  # one sandbox does not start in another
        ({"sandbox": "read-only"}, "bwrap", "read-only"),
    ],
)
async def test_codex_confines_its_commands_where_autopack_does_not(
    options: dict[str, str],
    confined: str,
    expected: str,
    program: Any,
    request_: BuildRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTOPACK_SANDBOX", confined)
    argv = (await noted_build(CodexBuilder, program, request_, **options))["argv"]
    assert argv[argv.index("--sandbox") + 1] == expected


async def test_an_agent_that_falls_silent_is_ended(program: Any, request_: BuildRequest) -> None:
    path, _ = program("print('begun', flush=True); __import__('time').sleep(60)")

    builder = made(CodexBuilder, executable=str(path), base_url="http://x/v1", stall="1.5")
    result = await builder.build(request_, Supervisor())

    assert (result.status, result.summary) == (BuildStatus.TIMED_OUT, "was silent for 1.5 s")


async def test_files_in_its_own_home_count_too(program: Any, request_: BuildRequest) -> None:
    path, _ = program("[(home / str(n)).write_text('') for n in range(100)]")

    builder = made(PiBuilder, executable=str(path), base_url="http://x", model="m", max_files="100")
    result = await builder.build(request_, Supervisor())

    assert (result.status, result.exit_status) == (BuildStatus.FAILED, 0)
    assert result.summary == "ended: it left more than 100 files"


def _plan(model: str | None = None) -> Plan:
    phase = {"id": "fix", "instructions": "Fix it."}
    return Plan.model_validate({"goal": "g", "phases": [phase], "models": {"builder": model}})


@pytest.mark.parametrize(
    ("model", "limit", "told"),
    [
        ("claude-sonnet-4-5", Decimal("1.25"), "1.25"),
        ("claude-sonnet-4-5", None, None),
        ("claude-sonnet-4-5", Decimal("0.00001"), "0.00001"),
        # Of a model without a price the program would make one up.
        ("no-such-model", Decimal("1.25"), None),
    ],
)
async def test_claude_is_told_what_money_is_left(
    model: str,
    limit: Decimal | None,
    told: str | None,
    program: Callable[[str], tuple[Path, Path]],
    request_: BuildRequest,
) -> None:
    asked = replace(request_, limits=replace(request_.limits, cost=limit))
    noted = await noted_build(ClaudeCodeBuilder, program, asked, model=model)
    arguments = noted["argv"]
    found = "--max-budget-usd" in arguments
    assert (arguments[arguments.index("--max-budget-usd") + 1] if found else None) == told
