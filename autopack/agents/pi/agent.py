"""The ``pi`` builder: the ``pi`` coding agent, with any provider it knows or an endpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from autopack.agents.endpoint import (
    CUSTOM_PROVIDER,
    DEFAULT_API,
    ENDPOINT_KEY_VARIABLE,
    key_variable,
    own_model,
)
from autopack.agents.options import one_of, whole_number
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files
from autopack.process.limits import MAX_FILES

_APIS = {
    "chat": "openai-completions",
    "messages": "anthropic-messages",
    "responses": "openai-responses",
}


class PiBuilder(CommandLineAgent):
    """``model`` is a name, or ``provider/name``. ``api`` says what ``base_url`` speaks: chat,
    messages or responses. ``context`` and ``max_tokens`` are the sizes of a model there."""

    name = "pi"
    program = "pi"
    package = "@mariozechner/pi-coding-agent"
    needs_model = True

    def __init__(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        key_env: str | None = None,
        executable: str | None = None,
        api: str = DEFAULT_API,
        context: str | int = 128_000,
        max_tokens: str | int = 16_000,
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
        self._api = _APIS[one_of("api", api, tuple(_APIS))]
        self._context = whole_number("context", context, least=1)
        self._max_tokens = whole_number("max_tokens", max_tokens, least=1)
        self._retries = whole_number("retries", retries)

    def default_key_env(self, model: str | None) -> str:
        return ENDPOINT_KEY_VARIABLE if self.base_url else key_variable(self.provider(model))

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".pi" / "agent", below=home)
        retry = {"maxRetries": self._retries, "provider": {"maxRetries": 0}}
        _write(folder / "settings.json", {"retry": retry})
        if self.base_url and model:
            _write(folder / "models.json", {"providers": {CUSTOM_PROVIDER: self._endpoint(model)}})
        provider = CUSTOM_PROVIDER if self.base_url else self.provider(model)
        # JSON on stdout repeats the whole message with every word; the session file does not.
        arguments = ["-p", "--session-dir", str(_sessions(home)), "--provider", provider]
        if model:
            arguments += ["--model", model if self.base_url else own_model(model)]
        environment = {
            "PI_CODING_AGENT_DIR": str(folder),
            "PI_OFFLINE": "1",
            "PI_TELEMETRY": "0",
            self.key_env(model): self.key(model),
        }
        return Invocation(arguments, environment)

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        return [path for path in safe_files.files_below(_sessions(home)) if path.suffix == ".jsonl"]

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


def _write(path: Path, value: object) -> None:
    safe_files.write(path, json.dumps(value, indent=2))
