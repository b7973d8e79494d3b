"""Running the commands that decide whether an attempt succeeded."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.validation.toolchains.base import Check
from autopack.workspace.process import Supervisor


@dataclass(frozen=True)
class FailedCheck:
    """The first command that did not succeed, and the end of what it printed."""

    check: Check
    status: int | None
    timed_out: bool
    output: str

    @property
    def message(self) -> str:
        """One line for people."""
        command = shlex.join(self.check.argv)
        if self.timed_out:
            return f"`{command}` did not end in time"
        return f"`{command}` exited with {self.status}"


async def run_checks(
    checks: Sequence[Check],
    *,
    workspace: Path,
    environment: Mapping[str, str],
    supervisor: Supervisor,
    spool: Path,
    seconds: float | None,
) -> FailedCheck | None:
    """Run ``checks`` one after the other; the first that fails ends it. None when all passed.

    Output goes to ``spool``, whole; ``seconds`` is the limit of all of them together.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    for check in checks:
        left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
        done = await supervisor.run(
            check.argv,
            cwd=workspace / check.path,
            env=environment,
            timeout=left,
            spool=spool,
        )
        if done.status != 0 or done.timed_out:
            return FailedCheck(check, done.status, done.timed_out, done.tail)
    return None
