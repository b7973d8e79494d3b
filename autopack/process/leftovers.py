"""Finding and ending processes that a run left behind, by the marks in their environment."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from autopack import settings
from autopack.model.ids import AttemptKey, process_mark

RUN = settings.RUN.name
STORE = settings.STORE.name
ATTEMPT = settings.ATTEMPT.name
HOLDER = settings.HOLDER.name
CHILD = settings.CHILD.name

_POLL_SECONDS = 0.01
_ENVIRON_BYTES = 65_536
"""Read of an environment at a time."""


def run_marks(run_id: str, store: str) -> dict[str, str]:
    """Return the marks that everything started for a run carries.

    ``store`` is the identity of the database: another one on this machine may have a run of the
    same name.
    """
    return {RUN: run_id, STORE: store}


def marker_env(key: AttemptKey) -> dict[str, str]:
    """Return the marks that everything started for an attempt carries besides its run's.

    AUTOPACK_ATTEMPT is ``phase/attempt``, AUTOPACK_HOLDER the mark of the process that
    holds the run. AUTOPACK_CHILD, which tells one supervised process from another, is the
    Supervisor's.
    """
    return {RUN: key.run_id, ATTEMPT: f"{key.phase_id}/{key.attempt}", HOLDER: process_mark()}


def find(**marks: str) -> list[psutil.Process]:
    """Return every process whose environment has all ``marks``, but this one and its ancestors.

    Needs no parent: a grandchild in its own session whose parents are gone is found. Processes of
    other users cannot be read and are omitted.
    """
    found = [
        process
        for pid in psutil.pids()
        if _may_carry(pid, marks) and (process := _process(pid)) and _carries(process, marks)
    ]
    spared = _spared() if found else set[int]()
    return [process for process in found if process.pid not in spared]


def marked(mark: str) -> list[tuple[psutil.Process, dict[str, str]]]:
    """Return every process that carries a mark, with its environment, but this one and its
    ancestors.

    Those of another container are omitted, for the pids in their marks mean others here.
    """
    found: list[tuple[psutil.Process, dict[str, str]]] = []
    spared = _spared()
    for pid in psutil.pids():
        process = _process(pid) if _may_carry(pid, {mark: ""}) else None
        if process is None or pid in spared or _namespace(pid) != _namespace(os.getpid()):
            continue
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            continue
        if environ.get(mark):
            found.append((process, environ))
    return found


def _namespace(pid: int) -> str | None:
    try:
        return str(Path("/proc", str(pid), "ns", "pid").readlink())
    except OSError:
        return None


def is_of_attempt(process: psutil.Process) -> bool:
    """Return whether an agent or a check is what carries the mark, or was left without one."""
    try:
        environ = process.environ()
    except (psutil.Error, OSError):
        return False
    return ATTEMPT in environ or RUN not in environ


def orphans_in(folder: Path) -> list[psutil.Process]:
    """Processes without parent or terminal whose working folder lies in ``folder``.

    What empties its environment and leaves its parents has no mark to be found by. A shell or an
    editor that a person has there has a terminal, or a parent.
    """
    spared, found = _spared(), list[psutil.Process]()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in spared or process.terminal():
                continue
            if Path(process.cwd()).is_relative_to(folder) and _is_orphan(process):
                found.append(process)
    return found


def _is_orphan(process: psutil.Process) -> bool:
    parent = process.parent()
    # A session's own init takes in what the machine's would.
    return parent is None or parent.pid == 1 or parent.name() in ("systemd", "init", "launchd")


def end(processes: Iterable[psutil.Process], *, grace: float = 5.0) -> None:
    """End ``processes`` and all their descendants: TERM, up to ``grace`` seconds, then KILL.

    Without ``grace`` they are stopped as a whole and killed: an agent whose tool ends before it
    would ask its model what to do now, and be paid for it.
    """
    remaining = _with_descendants(processes)
    if grace > 0:
        for process in remaining:
            _signal(process, psutil.Process.terminate)
        remaining = _wait_gone(remaining, grace)
    if remaining:
        remaining = _stopped(remaining)
        for process in remaining:
            _signal(process, psutil.Process.kill)
        _wait_gone(remaining, 2.0)


def _stopped(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """``processes`` and all that hangs below them, stopped, so that nothing more is started."""
    stopped: dict[psutil.Process, None] = {}
    while new := [one for one in _with_descendants([*processes, *stopped]) if one not in stopped]:
        for process in new:
            _signal(process, psutil.Process.suspend)
        stopped |= dict.fromkeys(new)
    return list(stopped)


def _spared() -> set[int]:
    me = psutil.Process()
    return {me.pid, *(ancestor.pid for ancestor in me.parents())}


def _may_carry(pid: int, marks: dict[str, str]) -> bool:
    """A look that costs a fraction of psutil's, for the many processes that are not ours."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        environ = _environ(pid)
    except OSError:
        return False
    return all(f"{name}={value}".encode() in environ for name, value in marks.items())


def _environ(pid: int) -> bytes:
    opened = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = b""
        while more := os.read(opened, _ENVIRON_BYTES):
            found += more
        return found
    finally:
        os.close(opened)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _carries(process: psutil.Process, marks: dict[str, str]) -> bool:
    try:
        environ = process.environ()
    except (psutil.Error, OSError):
        return False
    return all(environ.get(name) == value for name, value in marks.items())


def _with_descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    spared = _spared()
    found: dict[psutil.Process, None] = {}
    for process in processes:
        try:
            family = [process, *process.children(recursive=True)]
        except psutil.Error:
            family = [process]
        found |= {member: None for member in family if member.pid not in spared}
    return list(found)


def _signal(process: psutil.Process, send: Callable[[psutil.Process], None]) -> None:
    # Gone, or of another user: the others are ended all the same.
    with contextlib.suppress(psutil.Error, OSError):
        send(process)


def _wait_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    # Process.wait would reap our own children and take their exit status from asyncio.
    deadline = time.monotonic() + seconds
    remaining = [process for process in processes if _is_alive(process)]
    while remaining and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        remaining = [process for process in remaining if _is_alive(process)]
    return remaining


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
