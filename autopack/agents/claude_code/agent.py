"""The ``claude-code`` builder: Anthropic's ``claude`` program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from autopack.agents.claude_code.clouds import CLOUDS
from autopack.agents.claude_code.usage import ClaudeCodeParser
from autopack.agents.continuing import session_named
from autopack.agents.options import AtLeastOne, Count, McpOptions
from autopack.agents.own.login import claude_login, is_there
from autopack.agents.own.mcp_servers import as_json
from autopack.agents.own.user_configuration import UserConfiguration
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files
from autopack.model.prices import is_priced
from autopack.settings import process_environment

if TYPE_CHECKING:
    from autopack.plan.plan import Plan

# Variables that the program itself takes a key from.
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
# What the program itself makes a model of.
_ALIASES = ("default", "sonnet", "opus", "haiku", "opusplan", "best")
_SETTINGS = ("CLAUDE.md", "agents", "commands", "output-styles", "rules", "settings.json", "skills")


class Options(McpOptions):
    auth: Literal["key", "login"] = Field(
        "key", description="`login` uses your own login of Claude Code, which is only read"
    )
    provider: Literal["anthropic", "bedrock", "vertex"] = Field(
        "anthropic", description="who serves the model; the clouds use your login with them"
    )
    max_turns: AtLeastOne = Field(100, description="the most answers of one build")
    allowed_tools: str = Field(
        "Bash",
        description="tools it may use unasked, besides reading and editing files in the worktree",
    )
    retries: Count = Field(2, description="how often a call that failed is made again")


class ClaudeCodeBuilder(CommandLineAgent):
    """Builds phases with Claude Code, Anthropic's `claude` program."""

    name = "claude-code"
    options_class = Options
    usage_parser = ClaudeCodeParser
    program = "claude"
    package = "@anthropic-ai/claude-code"
    reads = ("CLAUDE.md",)
    tested = ("2.1.197",)
    can_continue = True
    own_arguments = frozenset(
        [
            "-p",
            "--print",
            "--output-format",
            "--input-format",
            "--verbose",
            "--include-partial-messages",
            "--model",
            "--permission-mode",
            "--dangerously-skip-permissions",
            "--allow-dangerously-skip-permissions",
            "--allowedTools",
            "--allowed-tools",
            "--mcp-config",
            "--strict-mcp-config",
            "--max-turns",
            "--max-budget-usd",
            "-c",
            "--continue",
            "-r",
            "--resume",
            "--session-id",
            "--fork-session",
            "--from-pr",
            "--bg",
            "--background",
            "--ide",
            "--tmux",
            "--remote-control",
            "-w",
            "--worktree",
            "-h",
            "--help",
            "-v",
            "--version",
        ]
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._own = options

    def default_key_env(self, model: str | None) -> str:
        return _KEYS[0]

    def key_names(self, model: str | None) -> Sequence[str]:
        return _KEYS

    def key_hint(self, name: str) -> str:
        if is_there(claude_login, process_environment()):
            return f"take your own login, which is there: --set auth=login; or set {name}"
        return (
            f"set {name}, or CLAUDE_CODE_OAUTH_TOKEN from `claude setup-token`; or take your own"
            " login: --set auth=login"
        )

    def access(self, model: str | None) -> str:
        cloud = CLOUDS.get(self._own.provider)
        if cloud is not None:
            cloud.check(process_environment())
            return self._own.provider
        if self._own.auth == "login":
            claude_login(process_environment())
            return "your own login"
        return super().access(model)

    def secrets(self) -> Sequence[str]:
        login = claude_login(process_environment()).secrets if self._uses_login else ()
        return (*super().secrets(), *login)

    def settings_place(self, environ: Mapping[str, str]) -> UserConfiguration:
        return UserConfiguration.of(
            environ, variable="CLAUDE_CONFIG_DIR", default=".claude", names=_SETTINGS
        )

    def models(self, plan: Plan, model: str | None) -> Sequence[tuple[str, str]]:
        """Return the model that it will call, where its name is more than an alias."""
        name = (model or self.model or plan.models.first_builder or "").partition("[")[0]
        return () if not name or name in _ALIASES else ((self.provider(model), name),)

    def provider(self, model: str | None) -> str:
        cloud = CLOUDS.get(self._own.provider)
        return "anthropic" if cloud is None else cloud.ledger_name

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".claude", below=home)
        environment = {
            **self._credentials(folder, model),
            "CLAUDE_CONFIG_DIR": str(folder),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": str(self._own.retries),
            # In print mode it ends while they run, and kills them.
            "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        arguments = ["-p", "--output-format", "stream-json", "--verbose"]
        # Without the partial messages the spend of a killed run would be unknown.
        arguments += ["--include-partial-messages", "--permission-mode", "acceptEdits"]
        arguments += ["--allowedTools", self._own.allowed_tools]
        arguments += ["--max-turns", str(self._own.max_turns)]
        cost = request.limits.cost
        if cost is not None and model and is_priced(self.provider(model), model):
            # Of a model without a price the program makes one up.
            arguments += ["--max-budget-usd", f"{cost:f}"]
        own = self.users_settings()
        if own is None:
            arguments += ["--strict-mcp-config"]
        else:
            own.copy_into(folder, below=home)
            safe_files.write(folder / ".claude.json", _users_servers(own))
        servers = self._own.servers()
        if servers:
            safe_files.write(home / "mcp.json", as_json(servers))
            arguments += ["--mcp-config", str(home / "mcp.json")]
        if model:
            arguments += ["--model", model]
        if request.resumes:
            arguments += ["--resume", request.resumes]
        return Invocation(arguments, environment)

    def session_of(self, home: Path, output: Path) -> tuple[str, Sequence[Path]] | None:
        name = session_named(output, b'"session_id"', "session_id")
        if name is None:
            return None
        below = safe_files.files_below(home / ".claude" / "projects")
        return name, [path for path in below if path.name == f"{name}.jsonl"]

    @property
    def _uses_login(self) -> bool:
        return self._own.auth == "login" and self._own.provider == "anthropic"

    def _credentials(self, folder: Path, model: str | None) -> dict[str, str]:
        """Return what the provider is asked with, in variables or a file of the program's own
        folder.
        """
        cloud = CLOUDS.get(self._own.provider)
        if cloud is not None:
            return cloud.variables(process_environment(), self.base_url)
        address = {"ANTHROPIC_BASE_URL": self.base_url} if self.base_url else {}
        if self._uses_login:
            safe_files.write(
                folder / ".credentials.json", claude_login(process_environment()).content
            )
            return address
        name = self.key_env(model)
        return address | {name if name in _KEYS else _KEYS[0]: self.key(model)}


def _users_servers(own: UserConfiguration) -> str:
    """Return the user's own MCP servers; the file beside the settings holds much else."""
    home = own.folder.parent if own.folder.name == ".claude" else own.folder
    try:
        whole: object = json.loads((home / ".claude.json").read_bytes())
    except (OSError, ValueError):
        return "{}"
    servers = cast("dict[str, Any]", whole).get("mcpServers") if isinstance(whole, dict) else None
    return json.dumps({"mcpServers": servers} if isinstance(servers, dict) else {})
