"""The ``qwen`` builder: Qwen Code, with OpenAI or any server that speaks its chat protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from autopack.agents.endpoint import endpoint_key_variable
from autopack.agents.model_providers import own_model
from autopack.agents.options import OwnConfigOptions
from autopack.agents.own.user_configuration import UserConfiguration
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.agents.qwen.usage import QwenParser
from autopack.files import safe_files
from autopack.model.errors import BadInput


class Options(OwnConfigOptions):
    pass


class QwenBuilder(CommandLineAgent):
    """Builds phases with Qwen Code, the `qwen` program, on a server that speaks OpenAI's chat."""

    name = "qwen"
    options_class = Options
    usage_parser = QwenParser
    program = "qwen"
    package = "@qwen-code/qwen-code"
    needs_model = True
    reads = ("AGENTS.md",)
    tested = ("0.15.10",)
    own_arguments = frozenset(
        [
            "-p",
            "--prompt",
            "-i",
            "--prompt-interactive",
            "-m",
            "--model",
            "-o",
            "--output-format",
            "--input-format",
            "-y",
            "--yolo",
            "--approval-mode",
            "--auth-type",
            "--openai-api-key",
            "--openai-base-url",
            "-c",
            "--continue",
            "-r",
            "--resume",
            "--session-id",
            "--acp",
            "--experimental-acp",
            "-h",
            "--help",
            "-v",
            "--version",
        ]
    )

    def default_key_env(self, model: str | None) -> str:
        return endpoint_key_variable(self.base_url, "openai")

    def access(self, model: str | None) -> str:
        served = self.provider(model)
        named = self.base_url is not None or self.options.key_env is not None
        if model is not None and not named and served != "openai":
            raise BadInput(
                f"qwen reaches the model {model!r} only by a server that speaks OpenAI's chat",
                field="base_url",
                hint="name that server: --set base_url=URL, and its key with --set key_env=NAME",
            )
        return super().access(model)

    def settings_place(self, environ: Mapping[str, str]) -> UserConfiguration:
        names = ("QWEN.md", "agents", "commands", "extensions", "skills")
        return UserConfiguration.of(environ, variable="QWEN_HOME", default=".qwen", names=names)

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".qwen", below=home)
        own = self.users_settings()
        if own is not None:
            own.copy_into(folder, below=home)
        settings = {
            "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
        }
        safe_files.write(folder / "settings.json", json.dumps(settings, indent=2))
        arguments = ["--auth-type", "openai", "--output-format", "stream-json"]
        arguments += ["--approval-mode", "yolo"]
        name = model if self.base_url else own_model(model or "")
        environment = {"OPENAI_API_KEY": self.key(model)}
        if name:
            arguments += ["--model", name]
            environment["OPENAI_MODEL"] = name
        if self.base_url:
            environment["OPENAI_BASE_URL"] = self.base_url
        return Invocation(arguments, environment)
