"""The ``pi`` builder: the ``pi`` coding agent, with any provider it knows or an endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from autopack.agents.continuing import session_named
from autopack.agents.endpoint import (
    CUSTOM_PROVIDER,
    AnyProviderOptions,
    EndpointApi,
    endpoint_key_variable,
)
from autopack.agents.model_providers import program_name, split_model
from autopack.agents.options import Count, OwnConfigOptions
from autopack.agents.own.user_configuration import UserConfiguration
from autopack.agents.pi.usage import PiParser
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files

_APIS: Mapping[EndpointApi, str] = {
    "chat": "openai-completions",
    "messages": "anthropic-messages",
    "responses": "openai-responses",
}


class Options(AnyProviderOptions, OwnConfigOptions):
    retries: Count = Field(2, description="how often a call that failed is made again")


class PiBuilder(CommandLineAgent):
    """Builds phases with the `pi` program, with any provider it knows or an endpoint."""

    name = "pi"
    options_class = Options
    usage_parser = PiParser
    program = "pi"
    package = "@mariozechner/pi-coding-agent"
    needs_model = True
    reads = ("AGENTS.md", "CLAUDE.md")
    tested = ("0.73.1",)
    can_continue = True
    own_arguments = frozenset(
        [
            "-p",
            "--print",
            "--mode",
            "--session-dir",
            "--session",
            "--no-session",
            "--provider",
            "--model",
            "--models",
            "--api-key",
            "-c",
            "--continue",
            "-r",
            "--resume",
            "--fork",
            "--export",
            "--list-models",
            "-h",
            "--help",
            "-v",
            "--version",
        ]
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._api = _APIS[options.api]
        self._context = options.context
        self._max_tokens = options.max_tokens
        self._retries = options.retries

    def default_key_env(self, model: str | None) -> str:
        return endpoint_key_variable(self.base_url, self.provider(model))

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".pi" / "agent", below=home)
        own = self.users_settings()
        if own is not None:
            own.copy_into(folder, below=home)
        retry = {"maxRetries": self._retries, "provider": {"maxRetries": 0}}
        _write(folder / "settings.json", {**_read(own, "settings.json"), "retry": retry})
        if self.base_url and model:
            models = _read(own, "models.json")
            theirs = models.get("providers")
            ours = {CUSTOM_PROVIDER: self._endpoint(model)}
            models["providers"] = {**(theirs if isinstance(theirs, dict) else {}), **ours}
            _write(folder / "models.json", models)
        provider, own = split_model(model)
        provider = CUSTOM_PROVIDER if self.base_url else program_name(provider)
        # JSON on stdout repeats the whole message with every word; the session file does not.
        arguments = ["-p", "--session-dir", str(_sessions(home)), "--provider", provider]
        if model:
            arguments += ["--model", model if self.base_url else own]
        if request.resumes:
            arguments += ["--session", str(_session(home, request.resumes))]
        environment = {
            "PI_CODING_AGENT_DIR": str(folder),
            "PI_OFFLINE": "1",
            "PI_TELEMETRY": "0",
            self.key_env(model): self.key(model),
        }
        return Invocation(arguments, environment)

    def settings_place(self, environ: Mapping[str, str]) -> UserConfiguration:
        names = ("AGENTS.md", "extensions", "models.json", "prompts", "settings.json", "skills")
        return UserConfiguration.of(
            environ, variable="PI_CODING_AGENT_DIR", default=".pi/agent", names=names
        )

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        return [path for path in safe_files.files_below(_sessions(home)) if path.suffix == ".jsonl"]

    def session_of(self, home: Path, output: Path) -> tuple[str, Sequence[Path]] | None:
        del output  # it tells words alone
        for path in safe_files.files_below(_sessions(home)):
            name = session_named(path, b'"type":"session"', "id")
            if name is not None:
                return name, [path]
        return None

    def knows(self, home: Path, session_id: str) -> bool:
        return _session(home, session_id) is not None

    def _endpoint(self, model: str) -> dict[str, object]:
        size = {"contextWindow": self._context, "maxTokens": self._max_tokens}
        return {
            "baseUrl": self.base_url,
            "api": self._api,
            "apiKey": self.key_env(model),  # the variable's name
            "models": [{"id": model, **size}],
        }


def _sessions(home: Path) -> Path:
    return home / "sessions"


def _session(home: Path, session_id: str) -> Path | None:
    """Return the file of a session: pi takes any other for a new one, and says nothing."""
    files = safe_files.files_below(_sessions(home))
    of = (path for path in files if session_named(path, b'"type":"session"', "id") == session_id)
    return next(of, None)


def _read(own: UserConfiguration | None, name: str) -> dict[str, Any]:
    """Return a file of the user's own settings; empty where there is none."""
    try:
        whole: object = json.loads((own and own.read(name)) or b"{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", whole) if isinstance(whole, dict) else {}


def _write(path: Path, value: object) -> None:
    safe_files.write(path, json.dumps(value, indent=2))
