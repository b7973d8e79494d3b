"""The ``gemini`` builder: Google's Gemini CLI."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from autopack.agents.gemini.usage import GeminiParser
from autopack.agents.options import Count, OwnConfigOptions
from autopack.agents.own.user_configuration import UserConfiguration
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files

_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")


class Options(OwnConfigOptions):
    retries: Count = Field(2, description="how often a call that failed is made again")


class GeminiBuilder(CommandLineAgent):
    """Builds phases with the Gemini CLI, Google's `gemini` program."""

    name = "gemini"
    options_class = Options
    usage_parser = GeminiParser
    program = "gemini"
    package = "@google/gemini-cli"
    reads = ("GEMINI.md",)
    tested = ("0.61.0",)
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
            "-y",
            "--yolo",
            "--approval-mode",
            "-r",
            "--resume",
            "--session-id",
            "--list-sessions",
            "--delete-session",
            "-w",
            "--worktree",
            "--acp",
            "--experimental-acp",
            "-h",
            "--help",
            "-v",
            "--version",
        ]
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._retries = options.retries

    def default_key_env(self, model: str | None) -> str:
        return _KEYS[0]

    def key_names(self, model: str | None) -> Sequence[str]:
        return _KEYS

    def provider(self, model: str | None) -> str:
        return "google"

    def settings_place(self, environ: Mapping[str, str]) -> UserConfiguration:
        names = ("GEMINI.md", "commands", "extensions", "policies", "skills")
        return UserConfiguration.of(
            environ, variable="GEMINI_CLI_HOME", default=".gemini", names=names
        )

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".gemini", below=home)
        own = self.users_settings()
        if own is not None:
            own.copy_into(folder, below=home)
        settings = {
            "security": {
                "auth": {"selectedType": "gemini-api-key"},
                "folderTrust": {"enabled": False},
            },
            "general": {"enableAutoUpdate": False, "maxAttempts": self._retries + 1},
            "privacy": {"usageStatisticsEnabled": False},
        }
        safe_files.write(folder / "settings.json", json.dumps(settings, indent=2))
        arguments = ["--output-format", "stream-json", "--approval-mode", "yolo"]
        if model:
            arguments += ["--model", model.removeprefix("google/")]
        environment = {_KEYS[0]: self.key(model)}
        if self.base_url:
            environment["GOOGLE_GEMINI_BASE_URL"] = self.base_url
        return Invocation(arguments, environment)

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        return [
            path
            for path in safe_files.files_below(home / ".gemini" / "tmp")
            if path.parent.name == "chats" and path.suffix == ".jsonl"
        ]
