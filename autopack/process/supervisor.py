"""Supervising the programs of a run: output on disk as it comes, limits, no survivors."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import sys
import tempfile
import threading
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from autopack.process import leftovers, reaper
from autopack.process.limits import (
    MAX_OUTPUT,
    Held,
    Limit,
    Limits,
    crowded_by,
    measure,
    watch,
)
from autopack.process.log import Log, head_and_tail, tail
from autopack.process.run_options import NO_OPTIONS, RunOptions
from autopack.process.sandbox import Sandbox
from autopack.process.scratch import Scratch

__all__ = ["MAX_OUTPUT", "Exit", "Supervisor", "head_and_tail", "tail"]

TAIL_BYTES = 8192
# Imported and not run as a file, which Python would compile each time; importing it here had it
# compiled. What is in its folder comes behind the standard library.
_REAP = "import sys; sys.path.append(sys.argv[1]); import reaper; reaper.main(sys.argv[2:])"
MISSING_PROGRAM = 127
UNUSABLE_PROGRAM = 126


@dataclass(frozen=True)
class Exit:
    """How a supervised program ended.

    ``status`` is its exit status, negative for a signal, 127 when it could not be found, 126 when
    it could not be started, None when Autopack ended it. ``tail`` is the end of its output,
    ``seconds`` the time it took. ``limit`` is the one that it came to, be it with its last breath,
    and ``reason`` says so in words: "ran out of time after 30 s".
    """

    status: int | None
    timed_out: bool
    truncated: bool
    seconds: float
    tail: str
    limit: Limit | None = None
    reason: str = ""


class Supervisor:
    """Runs programs and sees to it that none of their descendants outlives them.

    With a ``sandbox`` they are confined by it, but those that are run with ``confined=False``.
    Every other program has a temporary folder of its own from ``scratch``, as the confined have.
    """

    def __init__(
        self,
        *,
        grace: float = 5.0,
        sandbox: Sandbox | None = None,
        scratch: Scratch | None = None,
    ) -> None:
        self._grace = grace
        self._sandbox = sandbox
        self._scratch = scratch or Scratch()
        self._lock = threading.Lock()
        self._running: dict[str, int | None] = {}
        self._spending: set[str] = set()
        self._sweeps = 0

    @property
    def confines(self) -> bool:
        """Whether programs are confined unless that is not wanted."""
        return self._sandbox is not None

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout: float | None,  # noqa: ASYNC109 - it ends processes, which asyncio.timeout cannot
        spool: Path | Log,
        options: RunOptions = NO_OPTIONS,
    ) -> Exit:
        """Run ``argv`` until it ends or comes to a limit: ``timeout`` seconds, or its options'.

        The program writes stdout and stderr into ``spool`` (created 0600, appended to) itself, so
        they survive this process; it has that as an open file, and knows no path to it.

        Whatever ends the call, cancellation included, every descendant is ended before it
        returns, and what they left in their temporary folder is gone.
        """
        files, spends = options.files, options.spends
        clock = asyncio.get_running_loop().time
        started = clock()
        mark = secrets.token_hex(8)
        limits = Limits(timeout, options.max_output, options.silence, files, options.signs)
        before = Held() if files is None else await asyncio.to_thread(measure, files.folders)
        folder = None
        with contextlib.ExitStack() as stack:
            output = spool if isinstance(spool, Log) else stack.enter_context(Log(spool))
            if spends:
                output.mark()
            begun = output.size()
            with self._lock:
                sweeps, self._running[mark] = self._sweeps, None
                if spends:
                    self._spending.add(mark)
            try:
                try:
                    words, is_confined = argv, self.confines and options.confined
                    if self._sandbox is not None and is_confined:
                        words = self._sandbox.command(
                            argv,
                            cwd=cwd,
                            env=env,
                            writable=options.writable,
                            readable=options.readable,
                        )
                    else:
                        folder = self._scratch.make(env)
                    grace = 0.0 if spends else self._grace
                    # What is confined sees no other program at all.
                    apart = options.apart and not is_confined
                    words = _reaped(words, grace, limits, apart=apart, note=options.exit_note)
                    marked = {**env, **Scratch.variables(folder), leftovers.CHILD: mark}
                    process = await _start(words, cwd, marked, output, options.input)
                except (OSError, ValueError) as error:
                    status, reason = _not_started(argv, cwd, error)
                    output.note(reason)
                    return Exit(status, False, False, clock() - started, reason)
                with self._lock:
                    self._running[mark] = process.pid
                    stopped = self._sweeps != sweeps
                limit = None
                if not stopped:
                    limit = await _watch(process, output, begun, limits, before)
                if process.returncode is not None:
                    with self._lock:
                        self._running[mark] = None  # its number may soon be another's
            finally:
                try:
                    await _uninterrupted(asyncio.to_thread(self._clear, mark, folder))
                finally:
                    with self._lock:
                        del self._running[mark]
                        self._spending.discard(mark)
            ended = await _status(process)
            status = ended if limit is None else None
            truncated = output.cut(begun, options.max_output) or limit is Limit.OUTPUT
            if limit is None and truncated:
                limit = Limit.OUTPUT
            elif limit is None and files is not None:
                limit = await crowded_by(files, before)
            seconds = clock() - started
            return Exit(
                status=status,
                timed_out=limit is Limit.TIME,
                truncated=truncated,
                seconds=seconds,
                tail=output.read(TAIL_BYTES, head=0, start=begun),
                limit=limit,
                reason="" if limit is None else limits.told(limit, seconds),
            )

    def end_all(self) -> None:
        """End every program now running, from any thread; their ``run`` calls return."""
        with self._lock:
            self._sweeps += 1
            marks = list(self._running)
        self._end(*marks)

    def _clear(self, mark: str, folder: Path | None) -> None:
        """End what a program started, then remove its temporary folder."""
        self._end(mark)
        if folder is not None:
            Scratch.remove(folder)

    def _end(self, *marks: str) -> None:
        """End what carries the marks, and what still hangs below it with another environment."""
        with self._lock:
            spending = {mark for mark in marks if mark in self._spending}
        # Agents first, and at once: they spend while the others take their time.
        for some, grace in ((spending, 0.0), (set(marks) - spending, self._grace)):
            doomed = self._found(some)
            if doomed:
                leftovers.end(doomed, grace=grace)
                # A child started between the look and the signal carries the mark too.
                leftovers.end(_carrying(some), grace=0.0)

    def _found(self, marks: Iterable[str]) -> list[psutil.Process]:
        with self._lock:
            pids = [pid for mark in marks if (pid := self._running.get(mark)) is not None]
        found = _carrying(marks)
        for pid in set(pids).difference(process.pid for process in found):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found


def _reaped(
    argv: Sequence[str], grace: float, limits: Limits, *, apart: bool, note: Path | None
) -> Sequence[str]:
    """``argv`` as the child of a program that loses none of its descendants, on Linux."""
    if not sys.platform.startswith("linux") or not argv or any("\0" in word for word in argv):
        return argv
    return [
        sys.executable,
        "-ISB",
        "-c",
        _REAP,
        str(Path(reaper.__file__).parent),
        str(grace),
        str(limits.bytes),
        str(int(apart)),
        "" if note is None else str(note.absolute()),
        *argv,
    ]


def _carrying(marks: Iterable[str]) -> list[psutil.Process]:
    return [process for mark in marks for process in leftovers.find(**{leftovers.CHILD: mark})]


async def _start(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    output: Log,
    text: str | bytes | None,
) -> asyncio.subprocess.Process:
    if not argv:
        raise ValueError("no program is named")
    with contextlib.ExitStack() as stack:
        stdin: int = asyncio.subprocess.DEVNULL
        if text is not None:
            # A file, not a pipe: it neither blocks nor breaks when the program does not read it.
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(text.encode("utf-8") if isinstance(text, str) else text)
            file.seek(0)
            stdin = file.fileno()
        return await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(env),
            stdin=stdin,
            stdout=output.fd,
            stderr=output.fd,
            start_new_session=True,
        )


def _not_started(argv: Sequence[str], cwd: Path, error: OSError | ValueError) -> tuple[int, str]:
    program = argv[0] if argv else ""
    if not cwd.is_dir():
        return UNUSABLE_PROGRAM, f"{program}: the folder to run it in does not exist: {cwd}"
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        return MISSING_PROGRAM, f"{program}: command not found"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UNUSABLE_PROGRAM, f"{program}: cannot be started: {reason}"


async def _watch(
    process: asyncio.subprocess.Process,
    output: Log,
    begun: int,
    limits: Limits,
    before: Held,
) -> Limit | None:
    waiter = asyncio.ensure_future(process.wait())

    def written() -> int:
        return output.size() - begun

    try:
        return await watch(waiter, written, limits, before=before)
    finally:
        waiter.cancel()


async def _status(process: asyncio.subprocess.Process) -> int | None:
    # Only a process stuck in the kernel outlives KILL; waiting for it would hang the run.
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(process.wait(), 5.0)
    return None


async def _uninterrupted(work: Awaitable[None]) -> None:
    """Await ``work`` to its end even when cancelled meanwhile, then pass the cancellation on."""
    task = asyncio.ensure_future(work)
    interrupted = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            interrupted = True
    task.result()
    if interrupted:
        raise asyncio.CancelledError
