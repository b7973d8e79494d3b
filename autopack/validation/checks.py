"""Running the commands that decide whether an attempt succeeded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.validation.toolchains.base import Check
from autopack.workspace.process import Supervisor, head_and_tail

LOG_HEAD, LOG_BYTES = 16_384, 81_920
"""Bytes of a failed command's output that recovery reads: its head, and in all."""


@dataclass(frozen=True)
class FailedCheck:
    """The first command that did not succeed, the end of what it printed, and head and tail."""

    check: Check
    status: int | None
    timed_out: bool
    output: str
    log: str

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

    Output goes to ``spool``, whole; ``seconds`` is the limit of each command.
    """
    for check in checks:
        start = _size(spool)
        done = await supervisor.run(
            check.argv,
            cwd=workspace / check.path,
            env=environment,
            timeout=seconds,
            spool=spool,
        )
        if done.status != 0 or done.timed_out:
            log = head_and_tail(spool, LOG_BYTES, head=LOG_HEAD, start=start)
            return FailedCheck(check, done.status, done.timed_out, done.tail, log)
    return None


def _size(spool: Path) -> int:
    return spool.stat().st_size if spool.exists() else 0
