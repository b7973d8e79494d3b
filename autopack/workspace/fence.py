"""What an effect outside the database asks before it acts: whether the run is still its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _at_once(act: Callable[[], None]) -> None:
    act()


def _deliver_at_once(_run_id: str, _commit: str, act: Callable[[], None]) -> None:
    act()


def _nothing() -> None:
    """Only ask whether something might be done."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Fence:
    """The right of a run's holder to change refs; unless told otherwise, nobody is asked.

    ``hold`` does something quick while nobody can take the run over, and raises LeaseLost without
    doing it when somebody has. ``deliver`` does so for the commit of a run that its branch is to
    be given: only the one that the database calls the run's head. ``is_lost`` says whether what
    takes long has to be ended, ``ask`` raises
    LeaseLost when somebody has taken the run over, and keeps nobody from it.
    """

    hold: Callable[[Callable[[], None]], None] = _at_once
    deliver: Callable[[str, str, Callable[[], None]], None] = _deliver_at_once
    is_lost: Callable[[], bool] = _never
    ask: Callable[[], None] = _nothing

    def check(self) -> None:
        """Raise LeaseLost when somebody has taken the run over."""
        self.ask()
