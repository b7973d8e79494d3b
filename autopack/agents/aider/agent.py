"""The ``aider`` builder: a program that edits by text alone, on any provider of litellm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autopack.agents.aider.usage import AiderParser
from autopack.agents.edits import OutsideWorktree, place_of
from autopack.agents.endpoint import endpoint_key_variable
from autopack.agents.model_providers import key_variable, split_model
from autopack.agents.options import ProgramOptions
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.prompt import render_prompt
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files

_LOG = "analytics.jsonl"
# What litellm calls providers that have another name here.
_NAMES: Mapping[str, str] = {"google": "gemini", "x-ai": "xai"}


class Options(ProgramOptions):
    pass


class AiderBuilder(CommandLineAgent):
    """Builds phases with the `aider` program, on any provider or an endpoint."""

    name = "aider"
    options_class = Options
    usage_parser = AiderParser
    program = "aider"
    package = "aider-chat"
    install = "uv tool install aider-chat"
    needs_model = True
    reads = ()
    tested = ("0.86.2",)
    abbreviates = True
    own_arguments = frozenset(
        [
            "--model",
            "--message",
            "--msg",
            "-m",
            "--message-file",
            "-f",
            "--yes-always",
            "--auto-commits",
            "--commit",
            "--dry-run",
            "--map-tokens",
            "--analytics",
            "--analytics-log",
            "--gitignore",
            "--env-file",
            "--chat-history-file",
            "--input-history-file",
            "--openai-api-base",
            "--openai-api-key",
            "--anthropic-api-key",
            "--api-key",
            "--gui",
            "--browser",
            "--watch-files",
            "--upgrade",
            "-h",
            "--help",
            "--version",
        ]
    )

    def default_key_env(self, model: str | None) -> str:
        return endpoint_key_variable(self.base_url, self.provider(model))

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        provider, own = split_model(model)
        endpoint = self.base_url is not None
        name = f"openai/{model}" if endpoint else f"{_NAMES.get(provider, provider)}/{own}"
        prompt = home / "prompt.md"
        safe_files.write(prompt, render_prompt(request, reads=self.reads))
        arguments = ["--model", name, "--message-file", str(prompt), "--yes-always"]
        arguments += ["--no-auto-commits", "--no-gitignore", "--no-stream", "--no-pretty"]
        arguments += ["--no-check-update", "--no-show-release-notes", "--no-detect-urls"]
        arguments += ["--no-show-model-warnings", "--no-suggest-shell-commands"]
        # Its map of the repository has a cache that it leaves there.
        arguments += ["--map-tokens", "0", "--env-file", str(home / "none.env")]
        arguments += ["--chat-history-file", str(home / "chat.md")]
        arguments += ["--input-history-file", str(home / "input")]
        # Written to a file, and sent nowhere.
        arguments += ["--no-analytics", "--analytics-log", str(home / _LOG)]
        environment = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            key_variable("openai" if endpoint else provider): self.key(model),
        }
        if self.base_url:
            environment["OPENAI_API_BASE"] = self.base_url
        return Invocation([*arguments, *_files(request)], environment)

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        path = home / _LOG
        return [path] if safe_files.is_file(path) else []


def _files(request: BuildRequest) -> list[str]:
    """Return the files that the phase names and that are there: aider sees others by request."""
    found: list[str] = []
    for name in dict.fromkeys([*request.deliverables, *request.scope_paths]):
        try:
            place = place_of(request.worktree, name)
        except OutsideWorktree:
            continue
        if safe_files.is_file(place):
            found.append(str(place))
    return found
