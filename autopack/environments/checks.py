"""Running the commands that decide whether an attempt succeeded."""

from __future__ import annotations

import shlex
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autopack.files import safe_files
from autopack.model.commands import (
    Check,
)
from autopack.process.informative_excerpt import select
from autopack.process.log import Log
from autopack.process.run_options import RunOptions
from autopack.process.scratch import SCRATCH
from autopack.process.supervisor import MAX_OUTPUT, Exit, Supervisor
from autopack.toolchains.runners import (
    Results,
    Told,
    ask,
    ask_scripts,
    broken_off,
    read_results,
    readable,
)

_LONGEST_COMMAND = 300
_SEARCHED = 1024 * 1024
"""Bytes at either end of an output in which its informative part is looked for."""
LOG_HEAD, LOG_BYTES = 16_384, 81_920
"""Bytes of a failed command's output that recovery reads: its head, and in all."""


@dataclass(frozen=True)
class FailedCheck:
    """A command that did not succeed: what of its output informs, and head and tail of that.

    ``results`` are those of its tests, None when they are no whole account of the failure;
    ``reason`` is the limit that Autopack ended it at, in words, ``note`` what else there is to
    say of it.
    """

    check: Check
    status: int | None
    timed_out: bool
    output: str
    log: str
    results: Results | None = None
    reason: str = ""
    note: str = ""

    @property
    def message(self) -> str:
        """One line for people."""
        return f"{self._ended}; {self.note}" if self.note else self._ended

    @property
    def _ended(self) -> str:
        command = shlex.join(self.check.argv)
        if len(command) > _LONGEST_COMMAND:
            command = f"{command[:_LONGEST_COMMAND]}…"
        if self.timed_out:
            return f"`{command}` did not end in time: it {self.reason or 'ran out of time'}"
        if self.reason:
            return f"`{command}` was ended: it {self.reason}"
        if self.status is not None and self.status < 0:
            return f"`{command}` was killed by signal {-self.status}"
        return f"`{command}` exited with {self.status}"


async def run_checks(
    checks: Sequence[Check],
    *,
    workspace: Path,
    environment: Mapping[str, str],
    supervisor: Supervisor,
    spool: Path,
    seconds: float | None,
    ignore: Callable[[FailedCheck], Awaitable[str | None]] | None = None,
) -> FailedCheck | None:
    """Run ``checks`` one after the other; the first that fails ends it. None when all passed.

    Output goes to ``spool``, whole, and results per test beside it into the folder that programs
    may write to; ``seconds`` is the limit of all of them together. With ``ignore`` the runners
    are asked for results per test and not to stop at a failure; one for which it returns None
    does not count, for any other it returns what there is to say ("" for nothing).
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    with Log(spool) as output:
        for number, check in enumerate(checks):
            left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            own = safe_files.make_folder(spool.with_name(SCRATCH), below=spool.parent)
            report = own / f"{spool.stem}-{number}.xml"
            safe_files.remove(report)  # of an earlier command, or a link that it left
            start = output.size()
            argv = check.argv if ignore is None else ask(check.argv, report)
            done = await supervisor.run(
                argv,
                cwd=workspace / check.path,
                env=environment if ignore is None else {**environment, **ask_scripts()},
                timeout=left,
                spool=output,
                options=RunOptions(
                    writable=(workspace, own),
                    apart=True,
                ),
            )
            if done.status == 0 and not done.timed_out:
                told = Told(argv, 0, "", report, workspace / check.path)
                early = None if done.truncated else _left_early(told, output, start)
                if early is None:
                    continue
                return replace(_failed(check, done, output, start, report, None), note=early)
            folder = None if ignore is None else workspace / check.path
            failed = _failed(check, done, output, start, report, folder)
            if ignore is None or failed.results is None:
                return failed
            why = await ignore(failed)
            if why is not None:
                return replace(failed, note=why)
    return None


def _left_early(told: Told, output: Log, start: int) -> str | None:
    """Return what to say of a command that succeeded before its tests had ended; None of others."""
    if output.size() - start > 2 * _SEARCHED:
        return None  # what is left out may have the end of a run whose beginning is seen
    printed = output.read(2 * _SEARCHED, head=_SEARCHED, start=start)
    runner = broken_off(replace(told, output=printed))
    return runner and f"{runner} ended before its tests did, as if something had left its process"


def _failed(
    check: Check, done: Exit, output: Log, start: int, report: Path, folder: Path | None
) -> FailedCheck:
    """Return the failure; with results per test where it was asked for them, in ``folder``."""
    log = readable(check.argv, output.read(LOG_BYTES, head=LOG_HEAD, start=start))
    most = readable(check.argv, output.read(2 * _SEARCHED, head=_SEARCHED, start=start))
    failed = FailedCheck(check, done.status, done.timed_out, select(most), log, reason=done.reason)
    if folder is None:
        return failed
    whole = output.read(MAX_OUTPUT, start=start)
    complete = done.status is not None and not done.truncated
    told = Told(check.argv, done.status, whole, report, folder)
    return replace(
        failed,
        results=read_results(told) if complete else None,
    )
