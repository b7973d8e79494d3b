"""The ``claude-code`` builder: Anthropic's ``claude`` program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.agents.options import whole_number
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.process.limits import MAX_FILES

if TYPE_CHECKING:
    from autopack.plan.plan import Plan

# Variables that the program itself takes a key from.
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
# What the program itself makes a model of.
_ALIASES = ("default", "sonnet", "opus", "haiku", "opusplan", "best")


class ClaudeCodeBuilder(CommandLineAgent):
    """``max_turns`` ends a build after so many answers; ``allowed_tools`` may be used unasked,
    besides reading and editing files in the worktree."""

    name = "claude-code"
    program = "claude"
    package = "@anthropic-ai/claude-code"

    def __init__(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        key_env: str | None = None,
        executable: str | None = None,
        max_turns: str | int = 100,
        allowed_tools: str = "Bash",
        retries: str | int = 2,
        stall: str | float | None = None,
        max_files: str | int = MAX_FILES,
    ) -> None:
        super().__init__(
            model=model,
            base_url=base_url,
            api_key=api_key,
            key_env=key_env,
            executable=executable,
            stall=stall,
            max_files=max_files,
        )
        self._max_turns = whole_number("max_turns", max_turns, least=1)
        self._allowed_tools = allowed_tools
        self._retries = whole_number("retries", retries)

    def default_key_env(self, model: str | None) -> str:
        return "ANTHROPIC_API_KEY"

    def models(self, plan: Plan) -> Sequence[tuple[str, str]]:
        """The model that it will call, where its name is more than an alias."""
        name = (self.model or plan.models.builder or "").partition("[")[0]
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
