"""The Reviewer protocol: what it is asked, what it replies, and what that cost.

A reviewer replies in words; one place decides what they amount to, for every kind of reviewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from autopack.model.calls import ModelCall
from autopack.model.errors import WorkFailed


class Verdict(StrEnum):
    """What a review comes to."""

    APPROVE = "approve"
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"
    """It says neither: nobody answered, the answer cannot be read, or nothing in it holds."""


@dataclass(frozen=True)
class Question:
    """What a reviewer is asked: the ``round``-th review of a phase, from 1.

    ``spool`` is a folder of this call's own, which outlives the process; it is not made yet.
    """

    text: str
    phase_id: str
    round: int
    spool: Path


@dataclass(frozen=True)
class Reply:
    """What a reviewer said, "" when it was silent, and the model calls that it took.

    ``notes`` are what else is to be known of it: that it wrote to its checkout, for example.
    ``is_whole``: the calls are all that it used.
    """

    text: str
    calls: Sequence[ModelCall] = ()
    notes: Sequence[str] = ()
    is_whole: bool = True


class ReviewFailed(WorkFailed):
    """A reviewer could not be asked; ``calls`` are what that cost all the same, ``is_whole`` when
    they are all.
    """

    kind = "review"

    def __init__(
        self, message: str, calls: Sequence[ModelCall] = (), *, is_whole: bool = True
    ) -> None:
        super().__init__(message)
        self.calls = calls
        self.is_whole = is_whole


class Reviewer(Protocol):
    """One that looks at a change; it cannot write."""

    name: str
    """What the plan calls it."""
    model: str | None
    """The model that it asks; None where that is not known."""
    simulated: bool
    """Whether nobody is paid."""
    seconds: float
    """How long a reply may take."""

    def most(self, question: Question) -> ModelCall:
        """Return what asking uses at most, which is set aside before it is asked."""
        ...

    async def ask(self, question: Question) -> Reply:
        """Reply to ``question``. Raises ReviewFailed."""
        ...

    def left_behind(self, spool: Path) -> Reply | None:
        """Return what it replied to a question whose asker was killed; None where that is lost."""
        ...

    def spent(self, spool: Path) -> Sequence[ModelCall]:
        """Return the calls that the spool of a question tells of, also after a kill."""
        ...
