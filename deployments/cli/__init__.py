"""The `autopack` command: where it begins, here or in a process that has loaded everything.

Logs and progress go to stderr, answers to stdout; with ``--json`` stdout holds exactly one JSON
object, also on failure. Exit codes: 0 done, 1 the work failed, 2 bad input or a refusal, 3 waiting
for a person, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deployments.warm import HANDED_OVER

if TYPE_CHECKING:
    from cyclopts import App

    app: App


def main() -> None:
    """The console script."""
    from deployments.cli.shared import streams

    streams.open_missing()
    if not HANDED_OVER.isdisjoint(sys.argv[1:2]):
        from deployments.warm.handing_over import hand_over

        hand_over(sys.argv, os.environ)
    here()


def here() -> None:
    """Carry out the command line in this process, and end it."""
    from deployments.cli.shared import early, short_lived, streams

    streams.take_over()
    short_lived.put_off_garbage()
    early.say_soon(sys.argv[1:])
    code = run_command(sys.argv[1:])
    early.be_quiet()
    short_lived.leave(code)


def run_command(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code. Never raises, never prints a traceback."""
    from deployments import cli
    from deployments.cli.endings import run_command as run

    return run(argv, cli.app)


def __getattr__(name: str) -> Any:
    """Return the tree of commands, which is loaded when it is first asked for."""
    if name != "app":
        raise AttributeError(name)
    from deployments.cli.tree import app

    return app
