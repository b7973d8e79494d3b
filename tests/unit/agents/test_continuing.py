"""Conversations that a retry continues: what is kept, when a new one begins, what counts."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.agent_output import lines
from support.building import made

from autopack.agents.claude_code.agent import ClaudeCodeBuilder
from autopack.agents.claude_code.usage import ClaudeCodeParser
from autopack.agents.codex.agent import CodexBuilder
from autopack.agents.codex.usage import CodexParser
from autopack.agents.gemini.agent import GeminiBuilder
from autopack.agents.opencode.usage import OpencodeParser
from autopack.agents.pi.usage import PiParser
from autopack.agents.program import CommandLineAgent
from autopack.agents.protocol import (
    BuildLimits,
    BuildRequest,
    BuildResult,
    BuildStatus,
    Conversation,
)
from autopack.agents.usage_formats import parse_with
from autopack.agents.usage_reading import UsageParser
from autopack.model.calls import Exactness
from autopack.process.supervisor import Supervisor

DATA = Path(__file__).parents[2] / "data" / "agents"
SESSION = "681aa4b2-da7d-44b6-a2fa-fec84dc06090"


def recorded(name: str) -> bytes:
    return (DATA / name).read_bytes()


CLAUDE_BEFORE = (
    recorded("claude.continued.1.session.jsonl"),
    recorded("claude.continued.1.stdout"),
)
CLAUDE = recorded("claude.continued.2.stdout")
CODEX_BEFORE = (
    recorded("codex.continued.1.rollout.jsonl"),
    recorded("codex.continued.1.stdout"),
)
CODEX = recorded("codex.continued.2.stdout")
ROLLOUT = recorded("codex.continued.2.rollout.jsonl")


def _step(number: int, figures: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    """A step of opencode, with what it read anew, from the cache, and wrote."""
    new, cached, written = figures
    tokens = {"input": new, "output": written, "reasoning": 0, "cache": {"read": cached}}
    part = {"id": f"prt_{number}", "type": "step-finish", "tokens": tokens, "reason": "stop"}
    return {"type": "step_finish", "part": part, **more}


def _answer(number: int, figures: tuple[int, int, int]) -> dict[str, Any]:
    """The same as an entry of pi's session."""
    new, cached, written = figures
    usage = {"input": new, "cacheRead": cached, "cacheWrite": 0, "output": written}
    about = {"role": "assistant", "responseId": f"resp-{number}", "stopReason": "stop"}
    message = {**about, "usage": usage, "timestamp": number}
    return {"type": "message", "id": f"e{number}", "message": message}


# 4066 in all, as in the others
FIRST, SECOND, NOW = (1011, 500, 27), (2001, 500, 27), (2011, 500, 27)
ASKED = {"type": "message", "id": "e0", "message": {"role": "user", "content": []}}
STARTED = {"type": "step_start", "part": {"type": "step-start"}}
OPENCODE_BEFORE = (
    lines(_step(1, FIRST, model="m"), _step(2, SECOND, model="m")),
    lines(STARTED, _step(1, FIRST), STARTED, _step(2, SECOND)),
)
OPENCODE = lines(STARTED, _step(3, NOW))
OPENCODE_DATABASE = lines(
    *(_step(n, of, model="m") for n, of in enumerate((FIRST, SECOND, NOW), 1))
)
PI_BEFORE = (_answer(1, FIRST), _answer(2, SECOND))


def _events(source: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in source.splitlines()]


def _summed_up(source: bytes) -> bytes:
    """The same of a version whose result sums up from the beginning of the conversation."""
    [before] = [one for one in _events(CLAUDE_BEFORE[1]) if one["type"] == "result"]
    events = _events(source)
    for event in events:
        if event["type"] != "result":
            continue
        for sums, earlier in (
            (event["usage"], before["usage"]),
            *((event["modelUsage"][name], of) for name, of in before["modelUsage"].items()),
        ):
            for name, value in earlier.items():
                if isinstance(value, int):
                    sums[name] = sums.get(name, 0) + value
    return lines(*events)


def _shown_again(source: bytes) -> bytes:
    """The same of a version that shows the messages of the conversation so far."""
    first, *rest = _events(source)
    return lines(first, *(_events(CLAUDE_BEFORE[0])), *rest)


def _without(source: bytes, kind: str) -> bytes:
    return lines(*(one for one in _events(source) if one["type"] != kind))


# the same build in all: one call of 2011 new, 500 cached and 27 written tokens
@pytest.mark.parametrize(
    ("parser", "earlier", "now", "exactness"),
    [
        (ClaudeCodeParser, CLAUDE_BEFORE, (CLAUDE,), Exactness.EXACT),
        (ClaudeCodeParser, CLAUDE_BEFORE, (_summed_up(CLAUDE),), Exactness.EXACT),
        (ClaudeCodeParser, CLAUDE_BEFORE, (_shown_again(CLAUDE),), Exactness.EXACT),
        (ClaudeCodeParser, CLAUDE_BEFORE, (_shown_again(_summed_up(CLAUDE)),), Exactness.EXACT),
        # killed after its call
        (
            ClaudeCodeParser,
            CLAUDE_BEFORE,
            (_without(_shown_again(CLAUDE), "result"),),
            Exactness.PARTIAL,
        ),
        # the rollout begins with the earlier calls, and turn.completed sums them up
        (CodexParser, CODEX_BEFORE, (CODEX, ROLLOUT), Exactness.EXACT),
        (CodexParser, CODEX_BEFORE, (ROLLOUT, CODEX), Exactness.EXACT),
        (CodexParser, CODEX_BEFORE[:1], (CODEX, ROLLOUT), Exactness.EXACT),
        # killed before the turn's sum
        (
            CodexParser,
            CODEX_BEFORE,
            (_without(CODEX, "turn.completed"), ROLLOUT),
            Exactness.PARTIAL,
        ),
        # without the rollout: by what the sum has grown
        (CodexParser, CODEX_BEFORE, (CODEX,), Exactness.EXACT),
        # an older version, whose rollouts have sums alone
        (
            CodexParser,
            (_without(CODEX_BEFORE[0], "token_usage_record"), CODEX_BEFORE[1]),
            (CODEX, _without(ROLLOUT, "token_usage_record")),
            Exactness.EXACT,
        ),
        # the first build by an older version than the second
        (
            CodexParser,
            (_without(CODEX_BEFORE[0], "token_usage_record"),),
            (CODEX, _without(ROLLOUT, "token_usage_record")),
            Exactness.EXACT,
        ),
        # its database begins with the earlier steps
        (OpencodeParser, OPENCODE_BEFORE, (OPENCODE, OPENCODE_DATABASE), Exactness.EXACT),
        (OpencodeParser, OPENCODE_BEFORE[:1], (OPENCODE_DATABASE, OPENCODE), Exactness.EXACT),
        (OpencodeParser, OPENCODE_BEFORE, (OPENCODE,), Exactness.EXACT),
        # killed after its call, which is in the database alone
        (OpencodeParser, OPENCODE_BEFORE, (lines(STARTED), OPENCODE_DATABASE), Exactness.PARTIAL),
        # the session file begins with the earlier answers
        (
            PiParser,
            (lines(ASKED, *PI_BEFORE),),
            (lines(ASKED, *PI_BEFORE, ASKED | {"id": "e9"}, _answer(3, NOW)),),
            Exactness.EXACT,
        ),
        # killed when it was about to ask once more
        (
            PiParser,
            (lines(ASKED, *PI_BEFORE),),
            (lines(ASKED, *PI_BEFORE, _answer(3, NOW), ASKED | {"id": "e9"}),),
            Exactness.PARTIAL,
        ),
    ],
)
def test_of_a_continued_conversation_only_the_new_calls_count(
    parser: type[UsageParser],
    earlier: tuple[bytes, ...],
    now: tuple[bytes, ...],
    exactness: Exactness,
) -> None:
    usage = parse_with(parser, now, provider="", model="", earlier=earlier)

    [call] = usage.calls
    told = (call.total, call.input, call.cache_read, call.output)
    assert (told, usage.exactness) == ((2538, 2011, 500, 27), exactness)
    first = parse_with(parser, earlier, provider="", model="")
    assert sum(one.total for one in first.calls) == 4066  # what they tell by themselves


PROGRAM = """\
#!/usr/bin/env python3
import json, os, sys
from pathlib import Path

folder = Path(os.environ["CLAUDE_CONFIG_DIR"], "projects", "here")
folder.mkdir(parents=True, exist_ok=True)
arguments = sys.argv[1:]
resumed = arguments[arguments.index("--resume") + 1] if "--resume" in arguments else None
session = resumed or "SESSION"
with (folder / f"{session}.jsonl").open("a") as file:
    file.write(json.dumps({"prompt": sys.stdin.read()}) + "\\n")
said = str(len((folder / f"{session}.jsonl").read_text().splitlines()))
print(json.dumps({"type": "system", "subtype": "init", "session_id": session}), flush=True)
print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": said,
                  "session_id": session, "modelUsage": {}}))
""".replace("SESSION", SESSION)
"""Keeps a line of every prompt of a conversation, and says how many they are."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_text(PROGRAM)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _request(tmp_path: Path, attempt: int, **given: Any) -> BuildRequest:
    spool, worktree = tmp_path / "spool" / str(attempt), tmp_path / "worktree"
    spool.mkdir(parents=True)
    worktree.mkdir(exist_ok=True)
    base = BuildRequest(
        run_id="r",
        phase_id="p",
        attempt=attempt,
        build=attempt,
        goal="The goal",
        instructions="The task",
        worktree=worktree,
        spool=spool,
        limits=BuildLimits(seconds=60),
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    return replace(base, **given)


def _agent(program: Path, kind: type[CommandLineAgent] = ClaudeCodeBuilder) -> CommandLineAgent:
    options = {"executable": str(program), "base_url": "http://localhost:1", "model": "m"}
    return made(kind, **options, **{"continue": "true"})


async def _build(agent: CommandLineAgent, request: BuildRequest) -> BuildResult:
    return await agent.build(request, Supervisor())


async def test_a_retry_continues_the_conversation_with_what_it_does_not_know(
    tmp_path: Path, program: Path
) -> None:
    agent = _agent(program)
    first = await _build(agent, _request(tmp_path, 1))
    second = await _build(agent, _request(tmp_path, 2, earlier=1, hint="2 of 40 failed"))
    third = await _build(agent, _request(tmp_path, 3, earlier=2, hint="1 of 40 failed"))

    assert first.conversation == Conversation(SESSION)
    assert second.conversation == Conversation(SESSION, continues=1)
    assert third.conversation == Conversation(SESSION, continues=2)
    assert [one.summary for one in (first, second, third)] == ["1", "2", "3"]
    spool = tmp_path / "spool"
    assert not (spool / "3" / "home").exists()
    [kept] = (spool / "3" / "session").rglob("*.jsonl")
    prompts = [one["prompt"] for one in _events(kept.read_bytes())]
    assert "The task" in prompts[0]
    assert "2 of 40 failed" in prompts[1]
    assert "The task" not in prompts[1] + prompts[2]


# how a program says that it does not know a conversation, its exit status, and what is told of it
@pytest.mark.parametrize(
    ("says", "because"),
    [
        ("No conversation found with session ID: x", "No conversation found with session ID: x"),
        ("\x1b[91m\x1b[1mError: \x1b[0mSession not found", "Error: Session not found"),
        ("", "exit status 1"),
        (
            'Not found.\n{"type":"result","subtype":"error","is_error":true,"modelUsage":{}}',
            "Not found",
        ),
    ],
)
async def test_a_conversation_that_is_refused_costs_no_attempt(
    tmp_path: Path, program: Path, says: str, because: str
) -> None:
    agent = _agent(program)
    await _build(agent, _request(tmp_path, 1))
    _has_it_fail(program, says)
    request = _request(tmp_path, 2, earlier=1, hint="2 of 40 failed")
    result = await _build(agent, request)

    assert (result.status, result.summary) == (BuildStatus.ENDED, "1")
    assert result.conversation == Conversation(SESSION, None, f"{because} (attempt 1)")
    prompt = _events(next((request.spool / "session").rglob("*.jsonl")).read_bytes())[0]["prompt"]
    assert "The task" in prompt
    assert says not in (request.spool / "builder.out").read_text() or not says


# it had begun: what was asked may have been paid for
@pytest.mark.parametrize(
    "says",
    ['{"type":"system","subtype":"init"}', '{"type":"assistant","message":{"usage":{}}}\nbroken'],
)
async def test_a_build_that_fails_in_its_conversation_is_not_made_twice(
    tmp_path: Path, program: Path, says: str
) -> None:
    agent = _agent(program)
    await _build(agent, _request(tmp_path, 1))
    _has_it_fail(program, says)
    result = await _build(agent, _request(tmp_path, 2, earlier=1))

    assert result.status is BuildStatus.FAILED
    assert result.conversation is not None
    assert result.conversation.continues == 1


def _has_it_fail(program: Path, says: str) -> None:
    fail = f"if resumed: print({says!r}, flush=True); sys.exit(1)\n"
    program.write_text(PROGRAM.replace("session = resumed", f"{fail}session = resumed"))


async def test_unless_asked_to_every_attempt_begins_a_conversation_and_none_is_kept(
    tmp_path: Path, program: Path
) -> None:
    options = {"executable": str(program), "base_url": "http://localhost:1", "model": "m"}
    agent = made(ClaudeCodeBuilder, **options)
    first = await _build(agent, _request(tmp_path, 1))
    second = await _build(agent, _request(tmp_path, 2, earlier=1))

    assert (first.conversation, second.conversation, second.summary) == (None, None, "1")
    assert not (tmp_path / "spool" / "1" / "session").exists()


def _kept(tmp_path: Path) -> Path:
    return next((tmp_path / "spool" / "1" / "session").rglob("*.jsonl"))


# what is done between two builds, what the second asks for, and why it begins anew
@pytest.mark.parametrize(
    ("between", "given", "kind", "because"),
    [
        ("", {"model": "opus"}, ClaudeCodeBuilder, "the conversation is with the model m"),
        ("", {}, GeminiBuilder, "Autopack cannot continue conversations of gemini"),
        ("", {}, CodexBuilder, "the conversation is one of claude-code"),
        ("move", {}, ClaudeCodeBuilder, "the checkout is another one"),
        ("files", {}, ClaudeCodeBuilder, "no conversation of attempt 1 is kept"),
        ("link", {}, ClaudeCodeBuilder, "no conversation of attempt 1 is kept"),
        ("note", {}, ClaudeCodeBuilder, "no conversation of attempt 1 is kept"),
        ("", {"earlier": 7}, ClaudeCodeBuilder, "no conversation of attempt 7 is kept"),
    ],
)
async def test_a_conversation_that_cannot_be_continued_is_begun_anew_and_that_is_said(
    tmp_path: Path,
    program: Path,
    between: str,
    given: Mapping[str, Any],
    kind: type[CommandLineAgent],
    because: str,
) -> None:
    await _build(_agent(program), _request(tmp_path, 1))
    if between == "move":
        given = {"worktree": tmp_path / "elsewhere"}
        (tmp_path / "elsewhere").mkdir()
    elif between == "note":
        (tmp_path / "spool" / "1" / "session.json").write_text("{")
    elif between:
        content, kept = _kept(tmp_path).read_bytes(), _kept(tmp_path)
        kept.unlink()
        if between == "link":
            (tmp_path / "aside").write_bytes(content)
            kept.symlink_to(tmp_path / "aside")

    request = _request(tmp_path, 2, **({"earlier": 1} | dict(given)))
    result = await _build(_agent(program, kind), request)

    assert result.conversation is not None
    assert (result.conversation.continues, result.conversation.fresh_because) == (None, because)


async def test_without_what_was_told_before_nothing_is_known_rather_than_counted_twice(
    tmp_path: Path, program: Path
) -> None:
    agent = _agent(program)
    await _build(agent, _request(tmp_path, 1))
    request = _request(tmp_path, 2, earlier=1)
    await _build(agent, request)
    (request.spool / "calls.json").unlink()  # as if it had been killed

    assert agent.spend(request.spool).exactness is Exactness.EXACT
    _kept(tmp_path).unlink()
    assert agent.spend(request.spool).exactness is Exactness.UNKNOWN
