"""By what lines of a log are told apart: noise, failed tests, errors, frames, the last word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LogLines:
    """Expressions of one line each, linear in it; ``^`` is its beginning, ``$`` its end.

    A line belongs to a kind when any expression of that kind, of whichever toolchain, is found in
    it: nobody has to say which tool wrote a log.
    """

    noise: Sequence[str] = ()
    """Nothing is learnt from it: a test that passed, progress, a download."""
    failed: Sequence[str] = ()
    """It names a test that failed."""
    error: Sequence[str] = ()
    """It says what is wrong."""
    library: Sequence[str] = ()
    """A frame with this in it is of a library, not of the project."""
    frame: Sequence[str] = ()
    """It is a frame of a stack trace."""
    last: Sequence[str] = ()
    """A runner's last word: how many failed."""
