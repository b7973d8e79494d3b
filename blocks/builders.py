"""The builder blocks: keys, base URL, model and limits of a coding agent, named.

A run takes one as ``builder="claude-code/NAME"``. Keys stay in the block: they are neither stored
with the run nor written to any file.
"""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class BuilderBlock(Block):
    """What every builder's block can do."""

    _is_secret: ClassVar[frozenset[str]] = frozenset({"api_key"})

    def options(self) -> dict[str, str]:
        """The builder's options, as ``--set`` takes them; those left empty are left out."""
        return {
            name: str(getattr(self, name))
            for name in self._own_fields()
            if name not in self._is_secret and getattr(self, name) is not None
        }

    def secrets(self) -> dict[str, str]:
        """The options that are never stored."""
        found: dict[str, str] = {}
        for name in self._own_fields():
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                found[name] = value.get_secret_value()
        return found

    @classmethod
    def _own_fields(cls) -> list[str]:
        return [name for name in cls.model_fields if name not in Block.model_fields]


class _AgentBlock(BuilderBlock):
    """A coding agent that asks a provider."""

    api_key: SecretStr | None = Field(
        default=None, description="The provider's key; else an environment variable of the worker."
    )
    key_env: str | None = Field(
        default=None, description="The environment variable that holds the key."
    )
    base_url: str | None = Field(
        default=None, description="Another endpoint than the provider's own."
    )
    model: str | None = Field(default=None, description="Used where run and plan name none.")
    stall: float | None = Field(
        default=None, description="Seconds of silence after which a build is ended."
    )


class _ProgramBlock(_AgentBlock):
    """An agent that is installed as a program."""

    executable: str | None = Field(default=None, description="The program, if not on PATH.")
    max_files: int | None = Field(
        default=None, description="The most new files a build may leave; 100,000 when empty."
    )


class ClaudeCodeBlock(_ProgramBlock):
    """Anthropic's claude program."""

    _block_type_name = "Autopack Builder: claude-code"
    _block_type_slug = "autopack-builder-claude-code"
    _description = "Builds phases with Claude Code."

    max_turns: int | None = Field(default=None, description="The most answers of one build.")
    allowed_tools: str | None = Field(default=None, description="Tools it may use unasked.")


class CodexBlock(_ProgramBlock):
    """OpenAI's codex program."""

    _block_type_name = "Autopack Builder: codex"
    _block_type_slug = "autopack-builder-codex"
    _description = "Builds phases with Codex."

    sandbox: str | None = Field(
        default=None, description="workspace-write, danger-full-access or read-only."
    )


class OpencodeBlock(_ProgramBlock):
    """The opencode program."""

    _block_type_name = "Autopack Builder: opencode"
    _block_type_slug = "autopack-builder-opencode"
    _description = "Builds phases with opencode."


class PiBlock(_ProgramBlock):
    """The pi program."""

    _block_type_name = "Autopack Builder: pi"
    _block_type_slug = "autopack-builder-pi"
    _description = "Builds phases with pi."


class ApiBlock(_AgentBlock):
    """Autopack's own agent."""

    _block_type_name = "Autopack Builder: api"
    _block_type_slug = "autopack-builder-api"
    _description = "Builds phases with an agent of Autopack's own, on any provider's API."

    provider: str | None = Field(default=None, description="As pydantic-ai names it.")
    max_turns: int | None = Field(default=None, description="The most answers of one build.")


class CommandBlock(BuilderBlock):
    """Any program."""

    _block_type_name = "Autopack Builder: command"
    _block_type_slug = "autopack-builder-command"
    _description = "Builds phases with any program, called by a template."

    template: str = Field(
        description="The command, with {prompt_file}, {worktree}, {spool} and {model}."
    )
    usage: str | None = Field(default=None, description="The format in which it tells of tokens.")
    model: str | None = Field(default=None, description="Used where run and plan name none.")
    key_env: str | None = Field(
        default=None, description="An environment variable of the worker to hand on."
    )
    stall: float | None = Field(
        default=None, description="Seconds of silence after which a build is ended."
    )
    max_files: int | None = Field(
        default=None, description="The most new files a build may leave; 100,000 when empty."
    )


class SimulatedBlock(BuilderBlock):
    """A seeded agent that calls no model."""

    _block_type_name = "Autopack Builder: simulated"
    _block_type_slug = "autopack-builder-simulated"
    _description = "Spends, edits and fails as declared: for trials without a key."

    spec: str | None = Field(default=None, description="A YAML file; see autopack builders.")
    seed: int = Field(default=0, description="The same seed does the same.")
