"""What a build spent, as far as its spool tells, whatever that holds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autopack.asides import keep_lines
from autopack.builders.protocol import Builder, ModelCall, UnreadableSpool
from autopack.execution.spool import run_folder_of


@dataclass(frozen=True)
class Spend:
    """The calls of a build; ``problem`` says why there may have been more, ``unread`` the lines."""

    calls: Sequence[ModelCall]
    problem: str | None = None
    unread: Sequence[str] = ()


def read_spend(builder: Builder, spool: Path) -> Spend:
    """The calls that the spool tells of; what it says may be of any program or version."""
    if not spool.is_dir():
        return Spend((), "its spool is gone")
    try:
        return Spend(builder.calls(spool))
    except UnreadableSpool as error:
        return Spend(error.calls, error.message, error.unread)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        return Spend((), problem, (problem,))


def keep_unread(spend: Spend, spool: Path) -> None:
    """Set the lines that could not be read aside, where a person finds them."""
    if spend.problem is not None and spend.unread:
        with suppress(OSError):
            name = f"{spool.parent.name}-{spool.name}-calls"
            keep_lines(spend.unread, run_folder_of(spool), name, spend.problem)
