"""What a build spent, as far as its spool tells, whatever that holds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autopack.agents.protocol import (
    Builder,
    UnreadableSpool,
)
from autopack.files.asides import keep_lines
from autopack.model.calls import (
    Exactness,
    ModelCall,
)
from autopack.runs.spools.spool import run_folder_of


@dataclass(frozen=True)
class Spend:
    """The calls of a build, and how far they are all of them.

    ``problem`` says why its spool could not be read as a whole, ``unread`` which lines of it.
    ``simulated``: nobody was paid.
    """

    calls: Sequence[ModelCall]
    exactness: Exactness = Exactness.EXACT
    problem: str | None = None
    unread: Sequence[str] = ()
    simulated: bool = False
    may_come_back: bool = False
    """Whether another look may tell more: the spool is not there now."""

    @property
    def is_all(self) -> bool:
        """Whether everything that was used is told."""
        return self.problem is None and self.exactness is Exactness.EXACT


def read_spend(builder: Builder, spool: Path) -> Spend:
    """Return the calls that the spool tells of; what it says may be of any program or version."""
    simulated = builder.simulated
    if not spool.is_dir():
        return Spend((), Exactness.UNKNOWN, "its spool is gone", may_come_back=True)
    try:
        told = builder.spend(spool)
        return Spend(told.calls, told.exactness, simulated=simulated)
    except UnreadableSpool as error:
        told = Exactness.PARTIAL if error.calls else Exactness.UNKNOWN
        return Spend(error.calls, told, error.message, error.unread, simulated)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        return Spend((), Exactness.UNKNOWN, problem, (problem,))


def keep_unread(spend: Spend, spool: Path) -> None:
    """Set the lines that could not be read aside, where a person finds them."""
    if spend.problem is not None and spend.unread:
        with suppress(OSError):
            name = f"{spool.parent.name}-{spool.name}-calls"
            keep_lines(spend.unread, run_folder_of(spool), name, spend.problem)
