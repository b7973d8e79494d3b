"""Names of runs, phases and attempts: how they are checked and where new ones come from."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NewType

from autopack.model.errors import BadInput

RunId = NewType("RunId", str)


@dataclass(frozen=True, order=True)
class AttemptKey:
    """Which attempt at which phase of which run; numbers start at 1 and are never reused.

    Number 0 stands for the phase before its first attempt, in decisions about it.
    """

    run_id: str
    phase_id: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.run_id}/{self.phase_id}/{self.attempt}"


_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ID_RULE = (
    "1 to 64 of a-z 0-9 . _ - starting with a letter or digit, "
    "without '..' and not ending in '.' or '.lock'"
)


def is_valid_id(value: str) -> bool:
    """Return whether ``value`` is safe as a folder name, a git ref component and an
    artifact key.
    """
    return (
        _ID.fullmatch(value) is not None
        and ".." not in value
        and not value.endswith((".", ".lock"))
    )


def check_id(value: str, field: str) -> str:
    """Return ``value``, or raise BadInput naming ``field`` when it breaks the rule for ids."""
    if not is_valid_id(value):
        raise BadInput(f"{field}: {value!r} is not a valid id", field=field, hint=f"use {ID_RULE}")
    return value


def new_run_id(now: datetime, unique: str | None = None) -> RunId:
    """Return a fresh run id: readable, sortable by time, unique without coordination.

    ``unique`` tells it from others of its second, chance does when that is None.
    """
    return RunId(f"run-{now:%Y%m%d-%H%M%S}-{unique or secrets.token_hex(3)}")


def process_mark() -> str:
    """Return a name of this process that no other process ever has; a fork gets one of its own."""
    return _mark_of(os.getpid())


@lru_cache(maxsize=8)
def _mark_of(pid: int) -> str:
    return f"{pid}-{secrets.token_hex(8)}"


def attempt_ref(key: AttemptKey) -> str:
    """Return the ref of an attempt, in the mirror and wherever it is pushed to."""
    return f"refs/autopack/{key}"
