"""A user's own login and set-up: it reaches the program, nothing else, and stays as it was."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.building import made

from autopack.agents.claude_code.agent import ClaudeCodeBuilder
from autopack.agents.codex.agent import CodexBuilder
from autopack.agents.opencode.agent import OpencodeBuilder
from autopack.agents.pi.agent import PiBuilder
from autopack.agents.program import CommandLineAgent
from autopack.agents.protocol import BuildLimits, BuildRequest
from autopack.model.errors import BadInput
from autopack.plan.plan import PhaseSpec, Plan
from autopack.process.supervisor import Supervisor

CANARY = "canary-0123456789-abcdef"
RENEWS = "canary-renews-0123456789"
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY")
PLAN = Plan(goal="g", phases=(PhaseSpec(id="p", instructions="i", checks=(("true",),)),))

_SOURCE = """#!{python}
import json, os, pathlib, sys
home = pathlib.Path(os.environ["HOME"])
files = {{str(p.relative_to(home)): p.read_text() for p in home.rglob("*") if p.is_file()}}
for path in home.rglob("*"):
    if path.is_file():
        path.write_text("changed by the program")
note = dict(argv=sys.argv[1:], env=dict(os.environ), files=files)
pathlib.Path({note!r}).write_text(json.dumps(note))
"""


class User:
    """A user's home, with programs that note what they were given."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.note = folder, folder / "user", folder / "note.json"
        self.home.mkdir()
        self.program = folder / "the-agent"
        self.program.write_text(_SOURCE.format(python=sys.executable, note=str(self.note)))
        self.program.chmod(0o755)

    def has(self, path: str, content: object) -> None:
        place = self.home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content if isinstance(content, str) else json.dumps(content))

    def digest(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.home)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.home.rglob("*")
            if path.is_file()
        }

    async def builds(self, agent: type[CommandLineAgent], **options: str) -> dict[str, Any]:
        """One build; what the program was given, and what is left in its spool."""
        builder = made(agent, executable=str(self.program), **({"model": "m"} | options))
        builder.check(PLAN)
        worktree, spool = self.folder / "worktree", self.folder / "spool"
        worktree.mkdir()
        spool.mkdir()
        request = BuildRequest(
            run_id="r",
            phase_id="p",
            attempt=1,
            build=1,
            goal="g",
            instructions="i",
            worktree=worktree,
            spool=spool,
            limits=BuildLimits(seconds=30),
            environment={"PATH": os.environ["PATH"], "HOME": str(self.home)},
        )
        await builder.build(request, Supervisor())
        left = "".join(one.read_text() for one in spool.rglob("*") if one.is_file())
        return {**json.loads(self.note.read_text()), "left": left}


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    found = User(tmp_path)
    monkeypatch.setenv("HOME", str(found.home))
    for name in (*KEYS, "CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return found


def claude_login(seconds: float = 3600) -> dict[str, Any]:
    ends = int((time.time() + seconds) * 1000)
    return {
        "claudeAiOauth": {"accessToken": CANARY, "refreshToken": RENEWS, "expiresAt": ends},
    }


def codex_login(seconds: float = 3600) -> dict[str, Any]:
    body = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode())
    token = f"e30.{body.decode().rstrip('=')}.{CANARY}"
    return {"OPENAI_API_KEY": None, "tokens": {"access_token": token, "refresh_token": RENEWS}}


async def test_a_token_of_a_subscription_is_found_without_being_named(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", CANARY)

    given = await user.builds(ClaudeCodeBuilder)

    assert given["env"]["CLAUDE_CODE_OAUTH_TOKEN"] == CANARY
    assert "ANTHROPIC_API_KEY" not in given["env"]
    assert CANARY not in json.dumps([given["argv"], given["files"], given["left"]])


@pytest.mark.parametrize(
    ("agent", "theirs", "login"),
    [
        (ClaudeCodeBuilder, ".claude/.credentials.json", claude_login()),
        (CodexBuilder, ".codex/auth.json", codex_login()),
    ],
)
async def test_a_login_reaches_the_program_and_nothing_else(
    user: User, agent: type[CommandLineAgent], theirs: str, login: dict[str, Any]
) -> None:
    user.has(theirs, login)
    before = user.digest()

    given = await user.builds(agent, auth="login")

    assert CANARY in given["files"][theirs]
    assert RENEWS not in json.dumps(given)  # with it the program could end the user's login
    assert CANARY not in json.dumps([given["argv"], given["env"], given["left"]])
    assert not set(KEYS).intersection(given["env"])
    assert user.digest() == before
    secrets = made(agent, executable=str(user.program), model="m", auth="login").secrets()
    assert any(CANARY in one for one in secrets)


@pytest.mark.parametrize("agent", [ClaudeCodeBuilder, CodexBuilder])
@pytest.mark.parametrize("login", ["none", "expired", "of another shape", "no JSON"])
def test_a_login_that_cannot_be_used_is_refused(
    user: User, agent: type[CommandLineAgent], login: str
) -> None:
    claude = agent is ClaudeCodeBuilder
    theirs = ".claude/.credentials.json" if claude else ".codex/auth.json"
    if login != "none":
        expired = claude_login(-60) if claude else codex_login(-60)
        content = {"expired": expired, "of another shape": ["x"], "no JSON": "{"}[login]
        user.has(theirs, content)
    builder = made(agent, executable=str(user.program), model="m", auth="login")

    with pytest.raises(BadInput) as refused:
        builder.check(PLAN)

    assert refused.value.field == "auth"
    assert theirs in refused.value.message
    assert CANARY not in str(refused.value)
    assert builder.probe().hint == refused.value.hint


@pytest.mark.parametrize(
    ("provider", "theirs", "given"),
    [
        (
            "bedrock",
            {"AWS_REGION": "eu-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": CANARY},
            {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_SECRET_ACCESS_KEY": CANARY},
        ),
        (
            "vertex",
            {
                "ANTHROPIC_VERTEX_PROJECT_ID": "p",
                "CLOUD_ML_REGION": "eu",
                "GOOGLE_APPLICATION_CREDENTIALS": __file__,
            },
            {"CLAUDE_CODE_USE_VERTEX": "1", "GOOGLE_APPLICATION_CREDENTIALS": __file__},
        ),
    ],
)
async def test_a_cloud_gets_what_it_needs_and_no_more(
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    theirs: dict[str, str],
    given: dict[str, str],
) -> None:
    wrong = made(ClaudeCodeBuilder, executable=str(user.program), provider=provider)
    for name in theirs:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadInput) as refused:
        wrong.check(PLAN)
    assert refused.value.field == "provider"
    for name, value in {**theirs, "ANTHROPIC_API_KEY": "sk-other", "AWS_OTHER": "x"}.items():
        monkeypatch.setenv(name, value)

    noted = await user.builds(ClaudeCodeBuilder, provider=provider)

    assert given.items() <= noted["env"].items()
    assert not {"ANTHROPIC_API_KEY", "AWS_OTHER"}.intersection(noted["env"])


@pytest.mark.parametrize(
    ("agent", "theirs", "not_theirs"),
    [
        (ClaudeCodeBuilder, ".claude/CLAUDE.md", ".claude/.credentials.json"),
        (ClaudeCodeBuilder, ".claude/agents/a.md", ".claude/projects/s.jsonl"),
        (CodexBuilder, ".codex/AGENTS.md", ".codex/auth.json"),
        (CodexBuilder, ".codex/config.toml", ".codex/sessions/rollout-1.jsonl"),
        (OpencodeBuilder, ".config/opencode/opencode.json", ".local/share/opencode/auth.json"),
        (PiBuilder, ".pi/agent/AGENTS.md", ".pi/agent/auth.json"),
    ],
)
async def test_settings_come_along_when_asked_and_stay_as_they_were(
    user: User, agent: type[CommandLineAgent], theirs: str, not_theirs: str
) -> None:
    user.has(theirs, "x = 'mine'")
    user.has(not_theirs, "not mine")
    before = user.digest()
    options = {"base_url": "http://127.0.0.1:9/v1", "executable": str(user.program), "model": "m"}
    isolated, own = (made(agent, **options, config=one) for one in ("isolated", "user"))

    given = await user.builds(agent, base_url="http://127.0.0.1:9/v1", config="user")

    assert given["files"][theirs] == "x = 'mine'"
    assert not_theirs not in given["files"]
    assert user.digest() == before
    assert "config" not in isolated.configuration()
    first = own.configuration()
    user.has(theirs, "x = 'changed'")
    assert own.configuration() != first


async def test_settings_of_autopack_go_before_the_users(user: User) -> None:
    user.has(".codex/config.toml", 'model_provider = "theirs"')

    given = await user.builds(CodexBuilder, base_url="http://127.0.0.1:9/v1", config="user")

    assert 'model_provider="autopack"' in given["argv"]
    assert 'model_providers.autopack.base_url="http://127.0.0.1:9/v1"' in given["argv"]


SERVERS = {
    "mcpServers": {
        "files": {"command": "mcp-files", "args": ["--root", "."], "env": {"T": "${MY_TOKEN}"}},
        "web": {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": {"X": "${X:-none}"}},
    }
}


@pytest.mark.parametrize("agent", [ClaudeCodeBuilder, CodexBuilder, OpencodeBuilder])
async def test_mcp_servers_get_the_variables_on_the_list(
    user: User, monkeypatch: pytest.MonkeyPatch, agent: type[CommandLineAgent]
) -> None:
    monkeypatch.setenv("MY_TOKEN", CANARY)
    user.has("mcp.json", SERVERS)

    given = await user.builds(
        agent,
        base_url="http://127.0.0.1:9/v1",
        mcp=str(user.home / "mcp.json"),
        mcp_env="MY_TOKEN,X",
    )

    [file] = [text for text in given["files"].values() if "mcp-files" in text]
    read = tomllib.loads(file)["mcp_servers"] if agent is CodexBuilder else json.loads(file)
    assert CANARY in json.dumps(read)
    assert "none" in json.dumps(read)
    assert CANARY not in json.dumps([given["argv"], given["env"], given["left"]])


@pytest.mark.parametrize(
    ("content", "listed", "field", "words"),
    [
        (SERVERS, "X", "mcp_env", "asks for MY_TOKEN, which is not on the list"),
        (SERVERS, "X,MY_TOKEN", "mcp_env", "asks for MY_TOKEN, which is not set"),
        (SERVERS, "not a name!", "mcp_env", "not the name of a variable"),
        ("{", "", "mcp", "is not JSON"),
        ({"servers": {}}, "", "mcp", "mcpServers"),
        ({"mcpServers": {"a": {}}}, "", "mcp", "needs either command or url"),
        ({"mcpServers": {"a b": {"command": "x"}}}, "", "mcp", "mcpServers.a b"),
        ({"mcpServers": {"a": {"command": 5}}}, "", "mcp", "mcpServers.a.command"),
        (None, "", "mcp", "cannot be read"),
    ],
)
def test_an_mcp_file_that_cannot_be_used_is_refused(
    user: User, content: object, listed: str, field: str, words: str
) -> None:
    if content is not None:
        user.has("mcp.json", content)

    with pytest.raises(BadInput) as refused:
        made(
            ClaudeCodeBuilder,
            executable=str(user.program),
            base_url="http://127.0.0.1:9",
            mcp=str(user.home / "mcp.json"),
            mcp_env=listed,
        ).check(PLAN)

    assert refused.value.field == field
    assert words in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(
    ("agent", "args"),
    [
        (ClaudeCodeBuilder, "--output-format text"),
        (ClaudeCodeBuilder, "--max-turns=5"),
        (ClaudeCodeBuilder, "--effort high --resume x"),
        (ClaudeCodeBuilder, "-- prompt"),
        (ClaudeCodeBuilder, "-c"),
        (CodexBuilder, "-mgpt-9"),
        (CodexBuilder, "--sandbox=danger-full-access"),
        (CodexBuilder, "-c model_provider=theirs"),
        (CodexBuilder, "-csandbox_mode=x"),
        (CodexBuilder, "--config=model_providers.autopack.base_url=x"),
        (OpencodeBuilder, "--format default"),
        (PiBuilder, "--no-session"),
        (PiBuilder, "--open 'quote"),
    ],
)
def test_arguments_that_undo_autopacks_own_are_refused(
    user: User, agent: type[CommandLineAgent], args: str
) -> None:
    with pytest.raises(BadInput) as refused:
        made(
            agent,
            executable=str(user.program),
            base_url="http://127.0.0.1:9",
            model="m",
            args=args,
        ).check(PLAN)

    assert refused.value.field == "args"


async def test_other_arguments_reach_the_program(user: User) -> None:
    args = "--effort high --append-system-prompt 'Be brief.'"

    given = await user.builds(ClaudeCodeBuilder, base_url="http://127.0.0.1:9", args=args)

    assert given["argv"][-4:] == shlex.split(args)


def _printing(folder: Path, code: str) -> str:
    return shlex.join([sys.executable, "-c", code, str(folder / "asked")])


COUNTED = f"import sys; open(sys.argv[1], 'a').write('.'); print('{CANARY}')"


async def test_a_command_is_asked_once_for_the_key_and_it_goes_nowhere_else(
    user: User, tmp_path: Path
) -> None:
    command = _printing(tmp_path, COUNTED)

    given = await user.builds(ClaudeCodeBuilder, key_command=command)

    assert given["env"]["ANTHROPIC_API_KEY"] == CANARY
    assert CANARY not in json.dumps([given["argv"], given["files"], given["left"]])
    assert (tmp_path / "asked").read_text() == "."
    assert CANARY in made(ClaudeCodeBuilder, key_command=command).secrets()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (lambda at: _printing(at, f"print('{CANARY}'); exit(3)"), "it ended with status 3"),
        (lambda at: _printing(at, ""), "it printed nothing"),
        (lambda at: _printing(at, f"print('{CANARY} and more')"), "more than one word"),
        (lambda at: "no-such-program", "no-such-program is not installed"),
        (lambda at: "'open", "key_command cannot be read"),
        (lambda at: " ", "key_command is empty"),
    ],
)
def test_a_command_that_gives_no_key_is_refused(
    user: User, tmp_path: Path, command: Callable[[Path], str], words: str
) -> None:
    with pytest.raises(BadInput) as refused:
        made(
            CodexBuilder,
            executable=str(user.program),
            key_command=command(tmp_path),
        ).check(PLAN)

    assert refused.value.field == "key_command"
    assert words in refused.value.message
    assert CANARY not in f"{refused.value.message} {refused.value.hint}"
