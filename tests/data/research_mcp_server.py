"""An MCP server for tests: answers a search, or does what its first argument says it does wrong."""

from __future__ import annotations

import os
import sys
import time

KIND = sys.argv[1] if len(sys.argv) > 1 else "right"

if KIND == "dies at once":
    sys.exit("no licence was found")
if KIND == "floods":
    while True:
        os.write(1, b"x" * 65_536)
if KIND == "says nothing":
    time.sleep(600)

from mcp.server.mcpserver import MCPServer  # noqa: E402 - what fails at once needs none of it

server = MCPServer("manual")


@server.tool()
def search_manual(query: str) -> str:
    """Search the manual."""
    if KIND == "dies":
        print("the index is broken", file=sys.stderr, flush=True)
        os._exit(3)
    return f"The manual says of {query}: wait twice as long each time."


server.run()
