"""Options for a user's own set-up: settings and MCP servers of agents that can take them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from autopack.agents.mcp_servers import McpServer, mcp_servers, variable_names
from autopack.agents.options import ProgramOptions
from autopack.model.errors import BadInput


def _names(text: str) -> str:
    wrong = [name for name in variable_names(text) if not name.replace("_", "a").isalnum()]
    if wrong:
        raise BadInput(
            "mcp_env lists something that is not the name of a variable",
            field="mcp_env",
            hint="list names with commas: GITHUB_TOKEN,SENTRY_TOKEN",
        )
    return text


class OwnConfigOptions(ProgramOptions):
    """What programs take whose settings can be handed to a build."""

    config: Literal["isolated", "user"] = Field(
        "isolated",
        description="`user` copies your own settings of the program into the build's home",
    )

    @property
    def takes_users(self) -> bool:
        """Whether the user's own settings are wanted."""
        return self.config == "user"


class McpOptions(OwnConfigOptions):
    """What programs take besides that can call MCP servers."""

    mcp: Path | None = Field(
        None, description="a file with MCP servers, as Claude Code's `.mcp.json`"
    )
    mcp_env: Annotated[str, AfterValidator(_names)] | None = Field(
        None, description="the variables that `${NAME}` in that file may stand for, with commas"
    )

    def servers(self) -> tuple[McpServer, ...]:
        """Return the MCP servers for a build. Raises BadInput."""
        return mcp_servers(self.mcp, variable_names(self.mcp_env))
