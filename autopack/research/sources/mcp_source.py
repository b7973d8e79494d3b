"""A tool of an MCP server as a source: the server is started for each question, and ended.

Needs the extra ``mcp``. The server is one of a file such as ``.mcp.json``, which builders take
with ``--set mcp=FILE``, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from autopack.agents.own.mcp_servers import McpServer
from autopack.model.errors import BadInput
from autopack.research.sources.kept_results import KeptResults
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    SourceFailure,
)
from autopack.research.sources.waiting import finish

if TYPE_CHECKING:
    from mcp import ClientSession

MOST_OUTPUT = 8 * 1024 * 1024
_RELAY = Path(__file__).with_name("relay.py")
_ASKED_BY = ("query", "q", "question", "search", "text", "prompt")
_SEARCHES = ("search", "query", "lookup", "find", "docs")


class McpSource:
    """What ``tool`` of a server answers; the one that searches, where none is named."""

    def __init__(self, name: str, server: McpServer, tool: str | None, *, seconds: float) -> None:
        if find_spec("mcp") is None:
            raise BadInput(
                "MCP servers need the extra 'mcp'",
                field="sources",
                hint="install autopack[mcp]",
            )
        if server.command is None:
            raise BadInput(
                f"the MCP server {server.name} is not a program: research starts those alone",
                field="sources",
                hint="name a server with a command",
            )
        self.name = name
        self._server = server
        self._tool = tool
        self._seconds = seconds
        self._results = KeptResults(name, "mcp", name.removeprefix("mcp:"))
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return what the tool answers, each text of it."""
        return self._results.passages(finish(lambda: self._within(query)), query)

    def read(self, locator: str) -> bytes:
        """Return an answer that came since this source was made."""
        return self._results.read(locator)

    async def _within(self, query: Query) -> list[str]:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._ask(query, errors)
            except TimeoutError:
                raise SourceFailure(
                    self.name,
                    FailureKind.TIMED_OUT,
                    f"the server did not answer within {self._seconds:g} s",
                ) from None
            except BaseExceptionGroup as group:
                # A task group wraps what went wrong in the session.
                raise self._failure(_first(group), errors) from group
            except Exception as error:
                raise self._failure(error, errors) from error

    async def _ask(self, query: Query, errors: TextIO) -> list[str]:
        from mcp import ClientSession, StdioServerParameters, stdio_client

        command = [sys.executable, "-ISB", str(_RELAY), str(MOST_OUTPUT)]
        parameters = StdioServerParameters(
            command=command[0],
            args=[*command[1:], self._server.command or "", *self._server.args],
            env=dict(self._server.env),
            encoding_error_handler="replace",
        )
        async with (
            stdio_client(parameters, errlog=errors) as (reading, writing),
            ClientSession(reading, writing, read_timeout_seconds=self._seconds) as session,
        ):
            await session.initialize()
            tool, argument = await self._chosen(session)
            answer: Any = await session.call_tool(tool, {argument: query.text})
            texts = [one.text for one in answer.content if getattr(one, "type", "") == "text"]
            if answer.is_error:
                raise SourceFailure(
                    self.name, FailureKind.CRASHED, f"{tool} failed: {' '.join(texts)[:300]}"
                )
            return [text for text in texts if text.strip()]

    async def _chosen(self, session: ClientSession) -> tuple[str, str]:
        """Return the tool to call, and its argument for the query."""
        tools = (await session.list_tools()).tools
        taking = {tool.name: found for tool in tools if (found := _argument(tool.input_schema))}
        if self._tool is not None:
            names = [self._tool]
        else:
            names = [one for one in taking if any(each in one.lower() for each in _SEARCHES)]
            names = names or (list(taking) if len(taking) == 1 else [])
        if names and names[0] in taking:
            return names[0], taking[names[0]]
        offered = ", ".join(tool.name for tool in tools) or "none"
        raise SourceFailure(
            self.name,
            FailureKind.NOT_FOUND,
            f"no tool of the server takes a query; it has: {offered[:200]}",
        )

    def _failure(self, error: BaseException, errors: TextIO) -> SourceFailure:
        if isinstance(error, SourceFailure):
            return error
        said = ""
        with contextlib.suppress(OSError, ValueError):
            errors.seek(0)
            said = "".join(errors.readlines(20_000)[-1:]).strip()
        told = f"{type(error).__name__}: {error}" + (f"; it said: {said[:150]}" if said else "")
        return SourceFailure(self.name, FailureKind.CRASHED, f"the server ended or failed: {told}")


def _argument(schema: Any) -> str | None:
    """Return which argument of a tool takes a query; None when none does, or others are needed."""
    properties = schema.get("properties", {})
    texts = [name for name, about in properties.items() if about.get("type") == "string"]
    required = schema.get("required", [])
    named = [name for name in _ASKED_BY if name in texts] or [
        name for name in texts if name in required
    ]
    return named[0] if named and set(required) <= {named[0]} else None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first  # pyright: ignore[reportUnknownArgumentType]
