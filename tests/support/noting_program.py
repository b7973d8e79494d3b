"""A program in an agent's place that notes how it was called."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autopack.agents.program import CommandLineAgent
from autopack.agents.protocol import BuildLimits, BuildRequest
from autopack.process.supervisor import Supervisor
from support.building import made

KEY = "sk-canary-0123456789"

_SOURCE = """#!{python}
import json, os, pathlib, sys
home = pathlib.Path(os.environ["HOME"])
files = {{str(p.relative_to(home)): p.read_text() for p in home.rglob("*") if p.is_file()}}
note = dict(argv=sys.argv[1:], env=dict(os.environ), cwd=os.getcwd(), files=files,
            stdin=sys.stdin.read(), home=str(home))
pathlib.Path({note!r}).write_text(json.dumps(note))
if "--version" in sys.argv:
    print("agent-cli 1.2.3")
else:
    (home / "litter").mkdir()
    (home / "litter" / "big").write_text("x")
    {body}
"""


def build_request(folder: Path) -> BuildRequest:
    worktree, spool = folder / "work tree", folder / "spool"
    worktree.mkdir()
    spool.mkdir()
    theirs = {
        "ANTHROPIC_BASE_URL": "http://user",
        "CLAUDE_CONFIG_DIR": "/user",
        "CODEX_HOME": "/user",
        "OPENCODE_CONFIG": "/user",
        "XDG_CONFIG_HOME": "/user",
        "HOME": str(folder),
        "PWD": "/user",
        "KEPT": "yes",
    }
    return BuildRequest(
        run_id="r",
        phase_id="fix",
        attempt=1,
        build=1,
        goal="The goal",
        instructions="- begins with a dash",
        worktree=worktree,
        spool=spool,
        limits=BuildLimits(seconds=30),
        environment={"PATH": os.environ["PATH"], **theirs},
    )


def noting_program(folder: Path, body: str = "pass") -> tuple[Path, Path]:
    """A program that notes how it was called and then does ``body``; and where it notes it."""
    path, note = folder / "the-agent", folder / "note.json"
    path.write_text(_SOURCE.format(python=sys.executable, note=str(note), body=body))
    path.chmod(0o755)
    return path, note


async def noted_build(
    agent: type[CommandLineAgent],
    program: Callable[[str], tuple[Path, Path]],
    request: BuildRequest,
    **options: str,
) -> dict[str, Any]:
    path, note = program("pass")
    options = {"model": "m/big-1", "base_url": "http://127.0.0.1:9/v1", **options}
    builder = made(agent, executable=str(path), api_key=KEY, **options)
    await builder.build(request, Supervisor())
    return json.loads(note.read_text())
