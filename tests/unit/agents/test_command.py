from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from support.building import made

from autopack.agents.command.agent import CommandBuilder
from autopack.agents.protocol import BuildLimits, BuildRequest, BuildStatus, EndedBy, Spend
from autopack.model.calls import Exactness
from autopack.model.errors import BadInput
from autopack.plan.plan import Plan
from autopack.process.child_environment import child_environment
from autopack.process.supervisor import Supervisor

DATA = Path(__file__).parents[2] / "data" / "agents"


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    worktree, spool = tmp_path / "w t", tmp_path / "spool"
    worktree.mkdir()
    spool.mkdir()
    return BuildRequest(
        run_id="r",
        phase_id="fix",
        attempt=1,
        build=1,
        goal="g",
        instructions="Do it.",
        worktree=worktree,
        spool=spool,
        model="m-1",
        limits=BuildLimits(seconds=20),
        environment=dict(os.environ),
    )


def _python(code: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", code, *arguments])


# what a program prints, then tokens and exactness
@pytest.mark.parametrize(
    ("script", "total", "exactness"),
    [
        ("echo progress >&2; {call}", 11, Exactness.EXACT),
        ("printf 'thinking...' >&2; {call}", 11, Exactness.EXACT),
        # the log is opened anew, and emptied
        ("{call}; echo progress > /dev/stderr; {call}", 11, Exactness.PARTIAL),
        ("{call}; echo progress > /dev/stderr", 0, Exactness.UNKNOWN),
        ("{call}; echo progress >> /dev/stderr", 11, Exactness.EXACT),
        ("{call}; : > /dev/stdout; {call}", 11, Exactness.PARTIAL),
    ],
)
async def test_a_log_that_was_emptied_does_not_tell_all(
    request_: BuildRequest, script: str, total: int, exactness: Exactness
) -> None:
    call = """echo '{"model":"m","input":10,"output":1}'"""
    told = shlex.join(["sh", "-c", script.replace("{call}", call)]).replace("{", "{{")
    builder = made(CommandBuilder, template=told.replace("}", "}}"), usage="neutral")

    result = await builder.build(request_, Supervisor())

    spend = builder.spend(request_.spool)
    assert (sum(one.total for one in spend.calls), spend.exactness) == (total, exactness)
    assert result.calls == spend.calls


async def test_the_template_is_filled_and_run_in_the_worktree(request_: BuildRequest) -> None:
    code = "import sys, shutil; shutil.copy(sys.argv[1], 'prompt'); print(*sys.argv[2:])"
    builder = made(CommandBuilder, template=_python(code, "{prompt_file}", "{model}", "{worktree}"))

    result = await builder.build(request_, Supervisor())

    assert result.status is BuildStatus.ENDED
    assert result.summary == f"m-1 {request_.worktree}"
    assert "Do it." in (request_.worktree / "prompt").read_text()


async def test_the_prompt_is_on_stdin_too(request_: BuildRequest) -> None:
    builder = made(CommandBuilder, template=_python("import sys; print(sys.stdin.read())"))

    assert "Do it." in (await builder.build(request_, Supervisor())).summary


def test_its_temporary_files_go_when_it_has_ended(request_: BuildRequest) -> None:
    builder = made(
        CommandBuilder, template=_python("import tempfile; print(tempfile.mkstemp()[1])")
    )

    result = asyncio.run(builder.build(request_, Supervisor()))

    assert result.summary.startswith(tempfile.gettempdir())
    assert not Path(result.summary).exists()


async def test_usage_is_read_in_the_named_format(request_: BuildRequest) -> None:
    code = "import sys; print(open(sys.argv[1]).read())"
    template = _python(code, str(DATA / "codex.ok.stdout"))

    result = await made(CommandBuilder, template=template, usage="codex").build(
        request_, Supervisor()
    )

    assert [call.total for call in result.calls] == [10172]


NEUTRAL = '{"model": "m", "input": 5, "output": 2}'


async def test_a_wrapper_reports_in_a_file_of_its_own(request_: BuildRequest) -> None:
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
    builder = made(
        CommandBuilder,
        template=_python(code, "{usage_file}", NEUTRAL.replace("{", "{{").replace("}", "}}")),
        usage_file="usage.jsonl",
    )

    result = await builder.build(request_, Supervisor())

    assert [call.total for call in result.calls] == [7]
    shutil.rmtree(request_.spool / "scratch")
    assert builder.spend(request_.spool) == Spend(result.calls, Exactness.EXACT)


async def test_what_a_killed_wrapper_reported_is_counted_and_is_not_all(
    request_: BuildRequest,
) -> None:
    code = "import sys, time; print(sys.argv[1], flush=True); time.sleep(60)"
    template = _python(code, NEUTRAL.replace("{", "{{").replace("}", "}}"))
    builder = made(CommandBuilder, template=template, usage="neutral", stall="1")

    result = await builder.build(request_, Supervisor())

    assert result.status is BuildStatus.TIMED_OUT
    assert builder.spend(request_.spool) == Spend(result.calls, Exactness.PARTIAL)


@pytest.mark.parametrize(
    ("printed", "usage", "ended_by"),
    [
        # Claude Code without a login, which ends with status 1 in a hurry
        (
            {"type": "result", "subtype": "success", "is_error": True, "result": "Not logged in"},
            "claude-code",
            EndedBy.BUILDER,
        ),
        ({"error": "Not logged in"}, "neutral", EndedBy.BUILDER),
        ({"error": "Not logged in", "status": 401}, "neutral", EndedBy.PROVIDER),
    ],
)
async def test_an_error_that_the_format_tells_of_fails_the_build(
    request_: BuildRequest, printed: dict[str, object], usage: str, ended_by: EndedBy
) -> None:
    code = "import sys; print(open(sys.argv[1]).read())"
    (request_.worktree / "said").write_text(json.dumps(printed, separators=(",", ":")))
    builder = made(CommandBuilder, template=_python(code, "said"), usage=usage)

    result = await builder.build(request_, Supervisor())

    assert (result.status, result.ended_by) == (BuildStatus.FAILED, ended_by)
    assert "Not logged in" in result.summary


@pytest.mark.parametrize("name", ["ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "MY_OWN_BASE_URL"])
def test_addresses_of_models_reach_the_program(name: str) -> None:
    assert child_environment({name: "http://127.0.0.1:9"})[name] == "http://127.0.0.1:9"


async def test_an_exit_status_is_no_verdict(request_: BuildRequest) -> None:
    result = await made(CommandBuilder, template=_python("exit(3)")).build(request_, Supervisor())

    assert (result.status, result.exit_status) == (BuildStatus.ENDED, 3)


async def test_a_program_that_is_missing_fails(request_: BuildRequest) -> None:
    result = await made(CommandBuilder, template="/no/such/agent").build(request_, Supervisor())

    assert result.status is BuildStatus.FAILED


async def test_a_key_is_handed_on_by_name(
    request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1234")
    builder = made(
        CommandBuilder,
        template=_python("import os; print(os.environ['MY_KEY'][:3])"),
        key_env="MY_KEY",
    )

    assert (await builder.build(request_, Supervisor())).summary == "sk-"


async def test_silence_and_files_are_limited_where_that_is_declared(
    request_: BuildRequest,
) -> None:
    silent = made(CommandBuilder, template="sleep 60", stall="1")
    littering = made(CommandBuilder, template="sh -c 'touch 1 2 3 4 5 6'", max_files="5")

    assert (await silent.build(request_, Supervisor())).status is BuildStatus.TIMED_OUT
    left = await littering.build(request_, Supervisor())
    assert (left.status, left.summary) == (BuildStatus.FAILED, "ended: it left more than 5 files")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "template"),  # none given
        ({"template": "  "}, "template"),
        ({"template": "agent 'open"}, "template"),  # a quote that is not closed
        ({"template": "agent {prompt}"}, "template"),  # no such field
        ({"template": "agent {model"}, "template"),
        # a field is filled in as it is
        ({"template": "agent {model:d}"}, "template"),
        ({"template": "agent {model!x}"}, "template"),
        ({"template": "agent {model!r}"}, "template"),
        ({"template": "agent {prompt_file:>5000000000}"}, "template"),
        ({"template": "agent {model:{spool}}"}, "template"),
        ({"template": "agent {model.real}"}, "template"),
        ({"template": "agent {model[0]}"}, "template"),
        ({"template": "agent {}"}, "template"),
        ({"template": "agent }"}, "template"),
        ({"template": "sh -c 'jq \"{model: .x}\"'"}, "template"),
        ({"template": "agent", "usage": "yaml"}, "usage"),
        ({"template": "agent", "stall": "soon"}, "stall"),
        ({"template": "agent", "usage_file": "/tmp/usage"}, "usage_file"),
        ({"template": "agent", "usage_file": "{spool}/../usage"}, "usage_file"),
        ({"template": "agent", "usage_file": " "}, "usage_file"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, str], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        made(CommandBuilder, **options)

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "no-such-agent-at-all"}, "not installed"),
        ({"template": "sh {model}"}, "asks for a {model}"),
        ({"template": "sh", "key_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
    ],
)
def test_a_plan_it_cannot_build_is_refused(options: dict[str, str], message: str) -> None:
    plan = Plan.model_validate({"goal": "g", "phases": [{"id": "a", "instructions": "i"}]})

    with pytest.raises(BadInput, match=message.replace("{", r"\{").replace("}", r"\}")):
        made(CommandBuilder, **options).check(plan)
