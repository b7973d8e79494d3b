"""Finding and ending processes that a run left behind, by the marks in their environment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from autopack.ids import process_mark

RUN = "AUTOPACK_RUN"
STORE = "AUTOPACK_STORE"
ATTEMPT = "AUTOPACK_ATTEMPT"
HOLDER = "AUTOPACK_HOLDER"
CHILD = "AUTOPACK_CHILD"

_POLL_SECONDS = 0.01


def run_marks(run_id: str, store: str) -> dict[str, str]:
    """The marks that everything started for a run carries.

    ``store`` is the identity of the database: another one on this machine may have a run of the
    same name.
    """
    return {RUN: run_id, STORE: store}


def marker_env(run_id: str, phase_id: str, attempt: int) -> dict[str, str]:
    """The marks that everything started for an attempt carries besides its run's.

    AUTOPACK_ATTEMPT is ``phase/attempt``, AUTOPACK_HOLDER the mark of the process that
    holds the run. AUTOPACK_CHILD, which tells one supervised process from another, is the
    Supervisor's.
    """
    return {RUN: run_id, ATTEMPT: f"{phase_id}/{attempt}", HOLDER: process_mark()}


def find(**marks: str) -> list[psutil.Process]:
    """Every process whose environment has all ``marks``, but this one and its ancestors.

    Needs no parent: a grandchild in its own session whose parents are gone is found. Processes of
    other users cannot be read and are left out.
    """
    found = [
        process
        for pid in psutil.pids()
        if _may_carry(pid, marks) and (process := _process(pid)) and _carries(process, marks)
    ]
    spared = _spared() if found else set[int]()
    return [process for process in found if process.pid not in spared]


def marked(mark: str) -> list[tuple[psutil.Process, dict[str, str]]]:
    """Every process that carries a mark, with its environment, but this one and its ancestors.

    Those of another container are left out, for the pids in their marks mean others here.
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


def end(processes: Iterable[psutil.Process], *, grace: float = 5.0) -> None:
    """End ``processes`` and all their descendants: TERM, up to ``grace`` seconds, then KILL."""
    doomed = _with_descendants(processes)
    for process in doomed:
        _signal(process, force=False)
    remaining = _wait_gone(doomed, grace)
    if remaining:
        # What a dying shell started meanwhile hangs below the ones that remain.
        remaining = _with_descendants(remaining)
        for process in remaining:
            _signal(process, force=True)
        _wait_gone(remaining, 2.0)


def _spared() -> set[int]:
    me = psutil.Process()
    return {me.pid, *(ancestor.pid for ancestor in me.parents())}


def _may_carry(pid: int, marks: dict[str, str]) -> bool:
    """A look that costs a tenth of psutil's, for the many processes that are not ours."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        environ = Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return False
    return all(f"{name}={value}".encode() in environ for name, value in marks.items())


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


def _signal(process: psutil.Process, *, force: bool) -> None:
    try:
        if force:
            process.kill()
        else:
            process.terminate()
    except psutil.Error:
        return  # gone already, or not ours to end: the others are ended all the same


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
