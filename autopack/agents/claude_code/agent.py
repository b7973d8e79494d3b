"""The ``claude-code`` builder: Anthropic's ``claude`` program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from autopack.agents.claude_code.usage import ClaudeCodeParser
from autopack.agents.options import AtLeastOne, Count, ProgramOptions
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest

if TYPE_CHECKING:
    from autopack.plan.plan import Plan

# Variables that the program itself takes a key from.
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
# What the program itself makes a model of.
_ALIASES = ("default", "sonnet", "opus", "haiku", "opusplan", "best")


class Options(ProgramOptions):
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

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._max_turns = options.max_turns
        self._allowed_tools = options.allowed_tools
        self._retries = options.retries

    def default_key_env(self, model: str | None) -> str:
        return "ANTHROPIC_API_KEY"

    def models(self, plan: Plan, model: str | None) -> Sequence[tuple[str, str]]:
        """Return the model that it will call, where its name is more than an alias."""
        name = (model or self.model or plan.models.builder or "").partition("[")[0]
        return () if not name or name in _ALIASES else (("anthropic", name),)

    def provider(self, model: str | None) -> str:
        return "anthropic"

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        key_name = self.key_env(model)
        environment = {
            key_name if key_name in _KEYS else "ANTHROPIC_API_KEY": self.key(model),
            "CLAUDE_CONFIG_DIR": str(home / ".claude"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": str(self._retries),
            "DISABLE_AUTOUPDATER": "1",
        }
        if self.base_url:
            environment["ANTHROPIC_BASE_URL"] = self.base_url
        arguments = ["-p", "--output-format", "stream-json", "--verbose"]
        # Without the partial messages the spend of a killed run would be unknown.
        arguments += ["--include-partial-messages", "--permission-mode", "acceptEdits"]
        arguments += ["--allowedTools", self._allowed_tools, "--strict-mcp-config"]
        arguments += ["--max-turns", str(self._max_turns)]
        if model:
            arguments += ["--model", model]
        return Invocation(arguments, environment)
