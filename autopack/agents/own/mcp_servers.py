"""MCP servers for a build: read from a file of the user's, with secrets from a list of variables.

The file is what Claude Code and others call ``.mcp.json``. ``${NAME}`` and ``${NAME:-default}`` in
it stand for variables of Autopack's environment that are on the list, and no others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autopack.model.errors import BadInput
from autopack.settings import process_environment

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_LONGEST = 1024 * 1024


class _Server(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    type: str | None = None
    command: str | None = None
    args: list[str] = []
    env: dict[str, str] = {}
    url: str | None = None
    headers: dict[str, str] = {}

    @model_validator(mode="after")
    def _local_or_remote(self) -> _Server:
        if (self.command is None) == (self.url is None):
            raise ValueError("needs either command or url")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    servers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")], _Server] = Field(
        alias="mcpServers"
    )


@dataclass(frozen=True)
class McpServer:
    """One server: a ``command`` with arguments and environment, or a ``url`` with headers."""

    name: str
    type: str
    command: str | None
    args: tuple[str, ...]
    env: Mapping[str, str]
    url: str | None
    headers: Mapping[str, str]

    def as_claude(self) -> dict[str, Any]:
        """Return the entry as Claude Code takes it."""
        if self.url is not None:
            return {"type": self.type, "url": self.url, "headers": dict(self.headers)}
        return {"command": self.command, "args": list(self.args), "env": dict(self.env)}


def mcp_servers(
    path: Path | None,
    allowed: Collection[str],
    environ: Mapping[str, str] = process_environment(),
    *,
    only: str | None = None,
) -> tuple[McpServer, ...]:
    """Return the servers of a file, or the one called ``only``; none without a file.

    Raises BadInput for a file that cannot be read, and for a variable that is not allowed or not
    set.
    """
    if path is None:
        return ()
    try:
        with path.open("rb") as file:
            read = _File.model_validate(json.loads(file.read(_LONGEST)))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", field="mcp") from error
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(
            f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}",
            field="mcp",
            hint='write {"mcpServers": {"name": {"command": "program", "args": []}}}',
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON: {error}", field="mcp") from None
    return tuple(
        _filled(name, one, allowed, environ)
        for name, one in read.servers.items()
        if only in (None, name)
    )


def _filled(
    name: str, server: _Server, allowed: Collection[str], environ: Mapping[str, str]
) -> McpServer:
    def fill(text: str) -> str:
        def value(found: re.Match[str]) -> str:
            variable, default = found.groups()
            if variable not in allowed:
                raise BadInput(
                    f"the MCP server {name} asks for {variable}, which is not on the list",
                    field="mcp_env",
                    hint=f"allow it with --set mcp_env={','.join([*allowed, variable])}",
                )
            if variable not in environ and default is None:
                raise BadInput(
                    f"the MCP server {name} asks for {variable}, which is not set",
                    field="mcp_env",
                    hint=f"set {variable}",
                )
            return environ.get(variable) or default or ""

        return _REFERENCE.sub(value, text)

    def filled(values: Mapping[str, str]) -> dict[str, str]:
        return {key: fill(value) for key, value in values.items()}

    return McpServer(
        name=name,
        type=server.type or ("stdio" if server.url is None else "http"),
        command=None if server.command is None else fill(server.command),
        args=tuple(map(fill, server.args)),
        env=filled(server.env),
        url=None if server.url is None else fill(server.url),
        headers=filled(server.headers),
    )


def as_json(servers: Collection[McpServer]) -> str:
    """Return the servers as a file for Claude Code."""
    return json.dumps({"mcpServers": {one.name: one.as_claude() for one in servers}})


def as_toml(servers: Collection[McpServer]) -> str:
    """Return the servers as tables of codex's configuration."""
    parts: list[str] = []
    for one in servers:
        # A string or a list of them in JSON is one in TOML as well.
        lines = [f"[mcp_servers.{one.name}]"]
        if one.url is not None:
            lines += [f"url = {json.dumps(one.url)}", f"http_headers = {_table(one.headers)}"]
        else:
            lines += [f"command = {json.dumps(one.command)}", f"args = {json.dumps(one.args)}"]
            lines += [f"env = {_table(one.env)}"]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def as_opencode(servers: Collection[McpServer]) -> dict[str, object]:
    """Return the servers as opencode's ``mcp`` section."""
    found: dict[str, object] = {}
    for one in servers:
        if one.url is not None:
            found[one.name] = {"type": "remote", "url": one.url, "headers": dict(one.headers)}
        else:
            command = [one.command, *one.args]
            found[one.name] = {"type": "local", "command": command, "environment": dict(one.env)}
    return found


def _table(values: Mapping[str, str]) -> str:
    pairs = (f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items())
    return f"{{ {', '.join(pairs)} }}"


def secrets_of(servers: Collection[McpServer]) -> tuple[str, ...]:
    """Return what the servers are given that may be secret."""
    return tuple(
        value
        for one in servers
        for value in (*one.env.values(), *one.headers.values())
        if len(value) >= 8
    )


def variable_names(text: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple((text or "").replace(",", " ").split())
