"""The local stack that `autopack up` left running: where it is, and whether it still lives."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from autopack import settings
from autopack.files import safe_files

_SAME_START_SECONDS = 2.0

OWN_SERVER = settings.OWN_SERVER.name
"""Set for a process, and its children, that has a Prefect server of its own."""


@dataclass(frozen=True)
class Stack:
    """A running local stack.

    ``api_url`` and ``ui_url`` are Prefect's; ``pid`` and ``started`` (seconds since the epoch)
    name the `autopack up` process that looks after it.
    """

    api_url: str
    ui_url: str
    pid: int
    started: float

    def is_running(self) -> bool:
        """Return whether the process that looks after the stack is still there."""
        try:
            start = psutil.Process(self.pid).create_time()
        except psutil.Error:
            return False
        return abs(start - self.started) < _SAME_START_SECONDS


def stack_file(home: Path) -> Path:
    """Return where the running stack is noted."""
    return home / "stack.json"


def write_stack(home: Path, stack: Stack) -> None:
    """Note a stack, whole or not at all."""
    safe_files.write(stack_file(home), json.dumps(asdict(stack)))


def running_stack(home: Path) -> Stack | None:
    """Return the stack of this home, or None when none is running (a stale note is ignored)."""
    try:
        stack = Stack(**json.loads(safe_files.read_text(stack_file(home))))
        return stack if stack.is_running() else None
    except (OSError, ValueError, TypeError):
        return None
