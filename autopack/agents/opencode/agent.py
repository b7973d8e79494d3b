"""The ``opencode`` builder: the ``opencode`` agent, with any provider it knows or an endpoint."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from pydantic import Field

from autopack.agents.continuing import session_named
from autopack.agents.endpoint import (
    CUSTOM_PROVIDER,
    AnyProviderOptions,
    EndpointApi,
    endpoint_key_variable,
)
from autopack.agents.model_providers import program_name, split_model
from autopack.agents.opencode.usage import OpencodeParser
from autopack.agents.options import Count, McpOptions
from autopack.agents.own.mcp_servers import as_opencode
from autopack.agents.own.user_configuration import UserConfiguration
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.agents.watching import Watch
from autopack.files import safe_files

_DATABASE = "opencode.db"
_PACKAGES: Mapping[EndpointApi, str] = {
    "chat": "@ai-sdk/openai-compatible",
    "messages": "@ai-sdk/anthropic",
    "responses": "@ai-sdk/openai",
}


class Options(AnyProviderOptions, McpOptions):
    retries: Count = Field(2, description="how many more calls in a row its provider may refuse")


class OpencodeBuilder(CommandLineAgent):
    """Builds phases with the `opencode` program, with any provider it knows or an endpoint."""

    name = "opencode"
    options_class = Options
    usage_parser = OpencodeParser
    program = "opencode"
    package = "opencode-ai"
    needs_model = True
    reads = ("AGENTS.md", "CLAUDE.md")
    tested = ("1.18.33",)
    can_continue = True
    own_arguments = frozenset(
        [
            "--format",
            "-m",
            "--model",
            "--title",
            "--pure",
            "--print-logs",
            "--log-level",
            "-c",
            "--continue",
            "-s",
            "--session",
            "--fork",
            "--share",
            "--attach",
            "--port",
            "--dir",
            "-h",
            "--help",
            "-v",
            "--version",
        ]
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._package = _PACKAGES[options.api]
        self._context = options.context
        self._max_tokens = options.max_tokens
        self._retries = options.retries

    def default_key_env(self, model: str | None) -> str:
        return endpoint_key_variable(self.base_url, self.provider(model))

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        config = safe_files.make_folder(home / ".config" / "opencode", below=home)
        own = self.users_settings()
        if own is not None:
            own.copy_into(config, below=home)
        ours = home / "autopack.json"
        safe_files.write(ours, json.dumps(self._config(model)))
        # Here opencode installs a package of its own at every start; it does without.
        safe_files.write(config / ".npmrc", "offline=true\n")
        # A title of our own spares the call that would find one.
        pure = ["--pure"] if own is None else []
        arguments = ["run", *pure, "--format", "json", "--title", request.phase_id]
        # Calls that fail and are tried again are told of in the log only.
        arguments += ["--print-logs", "--log-level", "ERROR"]
        if model:
            arguments += ["--model", self._full_model(model)]
        if request.resumes:
            arguments += ["--session", request.resumes]
        environment = {
            # Goes before the user's own settings.
            "OPENCODE_CONFIG": str(ours),
            "OPENCODE_DB": str(_database(home)),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            self.key_env(model): self.key(model),
        }
        return Invocation(arguments, environment)

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        """Return the steps in opencode's database: those of the agents that it starts are only
        there.
        """
        return (_steps(_database(home)),)

    def session_files(self, home: Path) -> Sequence[Path]:
        database = _database(home)
        return (database, database.with_name(f"{database.name}-wal"))

    def session_of(self, home: Path, output: Path) -> tuple[str, Sequence[Path]] | None:
        name = session_named(output, b'"sessionID"', "sessionID")
        if name is None:
            return None
        return name, [path for path in self.session_files(home) if safe_files.is_file(path)]

    def told_in(self, file: Path) -> Path | bytes | None:
        return _steps(file) if file.name == _DATABASE else None

    def watch(self) -> Watch:
        return RefusalWatch(self._retries)

    def settings_place(self, environ: Mapping[str, str]) -> UserConfiguration:
        names = ("AGENTS.md", "agent", "agents", "command", "commands", "opencode.json")
        more = ("opencode.jsonc", "plugin", "plugins", "skill", "skills", "tool", "tools")
        own = environ.get("XDG_CONFIG_HOME")
        default = f"{own}/opencode" if own else ".config/opencode"
        return UserConfiguration.of(environ, variable=None, default=default, names=(*names, *more))

    def _full_model(self, model: str) -> str:
        if self.base_url:
            return f"{CUSTOM_PROVIDER}/{model}"
        provider, own = split_model(model)
        return f"{program_name(provider)}/{own}"

    def _config(self, model: str | None) -> dict[str, object]:
        config: dict[str, object] = {
            "permission": {"edit": "allow", "bash": "allow", "webfetch": "allow"},
            "autoupdate": False,
            "share": "disabled",
            "snapshot": False,
            "formatter": False,
            "lsp": False,
        }
        key = "{env:%s}" % self.key_env(model)  # noqa: UP031 - the braces are opencode's
        if self.base_url and model:
            limit = {"context": self._context, "output": self._max_tokens}
            endpoint = {
                "npm": self._package,
                "options": {"baseURL": self.base_url, "apiKey": key},
                "models": {model: {"limit": limit}},
            }
            config["provider"] = {CUSTOM_PROVIDER: endpoint}
        elif model:
            provider = program_name(self.provider(model))
            config["provider"] = {provider: {"options": {"apiKey": key}}}
        servers = self.options.servers() if isinstance(self.options, McpOptions) else ()
        if servers:
            config["mcp"] = as_opencode(servers)
        return config


class RefusalWatch:
    """Ends an agent whose provider refuses one call after the other; opencode never gives up."""

    def __init__(self, retries: int) -> None:
        self._allowed = retries
        self._refused = 0
        self._rest = b""

    def look(self, output: bytes) -> str | None:
        *lines, self._rest = (self._rest + output).split(b"\n")
        for line in lines:
            if b'"step_finish"' in line or b'"step_start"' in line:
                self._refused = 0
            elif b"level=ERROR" in line and b'message="stream error"' in line:
                self._refused += 1
                if self._refused > self._allowed:
                    return _reason(line.decode(errors="replace"))
        return None


def _reason(line: str) -> str:
    found = re.search(r'error\.error="((?:[^"\\]|\\.)*)"', line)
    return f"the provider refused every call: {found[1] if found else line}"


_UNREADABLE = b'{"type":"step_finish"\n'
"""A step that nobody can tell more of: as a line that was cut off."""


def _database(home: Path) -> Path:
    return home / _DATABASE


def _steps(database: Path) -> bytes:
    """Return the finished steps of every session, as the lines that ``run --format json``
    prints.
    """
    query = """
        SELECT part.id, part.data, message.data FROM part JOIN message ON message.id = message_id
        WHERE part.data LIKE '%"step-finish"%' ORDER BY part.time_created, part.id
    """
    import sqlite3  # which looking at builders does without

    rows: list[tuple[str, str, str]] = []
    if safe_files.is_file(database):
        # A database that was cut off, or of another version, tells nothing more than stdout.
        with (
            contextlib.suppress(sqlite3.DatabaseError),
            contextlib.closing(
                sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)
            ) as connection,
        ):
            rows = connection.execute(query).fetchall()
    return b"".join(_step(*row) for row in rows)


def _step(part_id: str, part_text: str, message_text: str) -> bytes:
    try:
        part, message = json.loads(part_text), json.loads(message_text)
        if part.get("type") != "step-finish":
            return b""
        message.get("modelID")
    except (ValueError, RecursionError, TypeError, AttributeError):
        return _UNREADABLE
    event = {
        "type": "step_finish",
        "part": {"id": part_id, **part},
        "provider": message.get("providerID"),
        "model": message.get("modelID") or "",
    }
    return json.dumps(event).encode() + b"\n"
