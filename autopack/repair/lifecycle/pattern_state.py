"""The states of a pattern, and what moves it from one to the next: judged hits, or a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autopack.repair.lifecycle.precision import Judged


class PatternState(StrEnum):
    """What a pattern that recognises a failure may do about it."""

    CANDIDATE = "candidate"
    """Nothing: it was generated, and no run loads it so far."""
    SHADOW = "shadow"
    """Nothing: its hits are recorded."""
    SUGGEST = "suggest"
    """It tells people what it would do."""
    MITIGATE = "mitigate"
    """It acts."""
    RETIRED = "retired"
    """Nothing: nobody looks for it any more."""


_LADDER = (
    PatternState.CANDIDATE,
    PatternState.SHADOW,
    PatternState.SUGGEST,
    PatternState.MITIGATE,
)

BARS = {PatternState.SUGGEST: 0.8, PatternState.MITIGATE: 0.9}
"""The precision that a pattern must be shown to exceed for a state."""


@dataclass(frozen=True)
class Standing:
    """A pattern's state and how it came to it; ``acts``: it has something to do in ``mitigate``.

    ``set_by_person``: a person put it there, ``lowered``: down.
    """

    state: PatternState
    acts: bool
    set_by_person: bool = False
    lowered: bool = False


def above(state: PatternState) -> PatternState | None:
    """Return the next state up; a retired pattern begins in shadow again."""
    if state is PatternState.RETIRED:
        return PatternState.SHADOW
    place = _LADDER.index(state)
    return None if place + 1 == len(_LADDER) else _LADDER[place + 1]


def below(state: PatternState) -> PatternState | None:
    """Return the next state down; what does nothing cannot do less."""
    return {
        PatternState.MITIGATE: PatternState.SUGGEST,
        PatternState.SUGGEST: PatternState.SHADOW,
    }.get(state)


def judged_move(standing: Standing, judged: Judged) -> PatternState | None:
    """Return the state that the judged hits move a pattern to; None where it stays.

    Up when its precision is shown to exceed the bar of the next state, unless a person had moved it
    down. Down when that is no longer shown; where a person had moved it up without evidence, when
    it is shown to be below the bar.
    """
    state = standing.state
    if state in BARS and _falls(judged, BARS[state], unless_refuted=standing.set_by_person):
        return below(state)
    if state not in (PatternState.SHADOW, PatternState.SUGGEST) or standing.lowered:
        return None
    following = above(state)
    if following is None or (following is PatternState.MITIGATE and not standing.acts):
        return None
    return following if judged.exceeds(BARS[following]) else None


def _falls(judged: Judged, bar: float, *, unless_refuted: bool) -> bool:
    return judged.is_below(bar) if unless_refuted else not judged.exceeds(bar)
