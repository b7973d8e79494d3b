"""Where every pattern stands: its state, how often it looked and matched, and how precise it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autopack.repair.lifecycle.detector import (
    EVERYWHERE,
    OWN,
    Detector,
    Origin,
    detector_of,
    is_built_in,
    origin_of,
)
from autopack.repair.lifecycle.pattern_state import BARS, PatternState
from autopack.repair.lifecycle.precision import LEVEL, Judged
from autopack.repair.lifecycle.transitions import Transition, backtests, latest
from autopack.repair.patterns import FailurePattern
from autopack.store.database.engine import Database
from autopack.store.pattern_hits import Watched, watched


@dataclass(frozen=True)
class PatternStanding:
    """One detector, everywhere or in one repository.

    ``pattern`` is None where it is stored but not loaded here: another version is, or none.
    ``state`` is None for a loaded pattern that no run has met so far.
    """

    detector: Detector
    repository: str
    pattern: FailurePattern | None
    state: PatternState | None
    last: Transition | None
    backtest: Mapping[str, Any] | None
    seen: Watched

    @property
    def judged(self) -> Judged:
        return Judged(self.seen.right, self.seen.wrong)


def standings(
    db: Database, patterns: Sequence[FailurePattern], *, repository: str = EVERYWHERE
) -> list[PatternStanding]:
    """Return the loaded patterns in their order, then what else is stored."""
    with db.read() as conn:
        moves, seen, tested = latest(conn), watched(conn), backtests(conn)
    found: list[PatternStanding] = []
    told: set[tuple[str, str, str]] = set()
    for pattern in patterns:
        detector = detector_of(pattern)
        own = origin_of(pattern) is Origin.REPOSITORY
        places = {repository if own else EVERYWHERE}
        places |= {
            place
            for name, digest, place in moves
            if (name, digest) == (detector.pattern_id, detector.digest)
        }
        for place in sorted(places):
            key = (detector.pattern_id, detector.digest, place)
            told.add(key)
            found.append(_standing(detector, place, pattern, moves.get(key), seen, tested))
    for key, last in sorted(moves.items()):
        if key not in told:
            found.append(_standing(last.detector, key[2], None, last, seen, tested))
    return found


def _standing(
    detector: Detector,
    place: str,
    pattern: FailurePattern | None,
    last: Transition | None,
    seen: Mapping[tuple[str, str, str], Watched],
    tested: Mapping[tuple[str, str], Mapping[str, Any]],
) -> PatternStanding:
    total = Watched()
    for (name, digest, repository), part in seen.items():
        same = (name, digest) == (detector.pattern_id, detector.digest)
        if same and place in (EVERYWHERE, repository):
            total = total.plus(part)
    state = PatternState(last.to_state) if last is not None else None
    if is_built_in(detector.pattern_id) and detector.mitigation == OWN:
        state = PatternState.MITIGATE
    backtest = tested.get((detector.pattern_id, detector.digest))
    return PatternStanding(detector, place, pattern, state, last, backtest, total)


def as_json(one: PatternStanding) -> dict[str, Any]:
    """Return a standing as JSON; what is unknown is null."""
    judged = one.judged
    lo, hi = judged.interval if judged.count else (None, None)
    pattern = one.pattern
    return {
        "pattern_id": one.detector.pattern_id,
        "priority": None if pattern is None else pattern.priority,
        "summary": None if pattern is None else pattern.summary,
        "origin": None if pattern is None else origin_of(pattern).value,
        "version": one.detector.version,
        "digest": one.detector.digest,
        "repository": one.repository or None,
        "mitigation": one.detector.mitigation,
        "state": None if one.state is None else one.state.value,
        "loaded": pattern is not None,
        "looks": one.seen.looks,
        "hits": one.seen.hits,
        "judged": judged.count,
        "right": judged.right,
        "wrong": judged.wrong,
        "precision": judged.precision,
        "precision_lo": lo,
        "precision_hi": hi,
        "level": LEVEL,
        "e_values": {state.value: judged.e_value(bar) for state, bar in BARS.items()},
        "last_hit": None if one.seen.last_hit is None else one.seen.last_hit.isoformat(),
        "backtest": None if one.backtest is None else dict(one.backtest),
    }
