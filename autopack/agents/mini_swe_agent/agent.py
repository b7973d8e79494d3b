"""The ``mini-swe-agent`` builder: a small agent with one tool, on any provider of litellm."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from autopack.agents.endpoint import endpoint_key_variable
from autopack.agents.mini_swe_agent.usage import MiniParser
from autopack.agents.model_providers import key_variable, split_model
from autopack.agents.options import AtLeastOne, Count, ProgramOptions
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.prompt import render_prompt
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files

_TRAJECTORY = "trajectory.json"
# What litellm calls providers that have another name here.
_NAMES: Mapping[str, str] = {"google": "gemini", "x-ai": "xai"}


class Options(ProgramOptions):
    max_turns: AtLeastOne = Field(100, description="the most answers of one build")
    retries: Count = Field(2, description="how often a call that failed is made again")


class MiniSweAgentBuilder(CommandLineAgent):
    """Builds phases with mini-SWE-agent, the `mini` program, on any provider or an endpoint."""

    name = "mini-swe-agent"
    options_class = Options
    usage_parser = MiniParser
    program = "mini"
    package = "mini-swe-agent"
    install = "uv tool install --with mcp mini-swe-agent"
    needs_model = True
    reads = ()
    tested = ("2.4.6",)
    own_arguments = frozenset(
        [
            "-m",
            "--model",
            "-t",
            "--task",
            "-y",
            "--yolo",
            "-c",
            "--config",
            "-l",
            "--cost-limit",
            "-o",
            "--output",
            "--exit-immediately",
            "--help",
        ]
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._own = options

    def default_key_env(self, model: str | None) -> str:
        return endpoint_key_variable(self.base_url, self.provider(model))

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        provider, own = split_model(model)
        endpoint = self.base_url is not None
        name = f"openai/{model}" if endpoint else f"{_NAMES.get(provider, provider)}/{own}"
        settings: dict[str, Any] = {
            # In a file: as an argument it could be too long.
            "run": {"task": render_prompt(request, reads=self.reads)},
            "agent": {"cost_limit": 0, "step_limit": self._own.max_turns},
            "model": {"model_name": name, "cost_tracking": "ignore_errors"},
        }
        if endpoint:
            settings["model"]["model_kwargs"] = {"api_base": self.base_url}
        safe_files.write(home / "autopack.yaml", json.dumps(settings))
        arguments = ["-c", "mini.yaml", "-c", str(home / "autopack.yaml"), "--model", name]
        arguments += ["-y", "--exit-immediately", "-l", "0", "-o", str(home / _TRAJECTORY)]
        environment = {
            "MSWEA_CONFIGURED": "true",
            "MSWEA_SILENT_STARTUP": "1",
            "MSWEA_GLOBAL_CONFIG_DIR": str(home / "mini"),
            "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": str(self._own.retries + 1),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            key_variable("openai" if endpoint else provider): self.key(model),
        }
        return Invocation(arguments, environment)

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        path = home / _TRAJECTORY
        return [path] if safe_files.is_file(path) else []
