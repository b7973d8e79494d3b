"""The stored states of patterns: every move is kept with its evidence, and the last one counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from autopack.model.errors import Refused
from autopack.repair.lifecycle.detector import EVERYWHERE, Detector
from autopack.repair.lifecycle.pattern_state import (
    BARS,
    PatternState,
    Standing,
    above,
    below,
    judged_move,
)
from autopack.repair.lifecycle.precision import Judged
from autopack.store.database.engine import Database, insert_new, now, reading
from autopack.store.pattern_hits import counts
from autopack.store.tables.patterns import pattern_transitions

Cause = Literal["generated", "loaded", "judged", "person"]
_KEY = ("pattern_id", "digest", "repository")
_ORDER = (
    PatternState.RETIRED,
    PatternState.CANDIDATE,
    PatternState.SHADOW,
    PatternState.SUGGEST,
    PatternState.MITIGATE,
)


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One move of a detector, everywhere or in one repository."""

    pattern_id: str
    digest: str
    repository: str
    ordinal: int
    version: int
    mitigation: str
    from_state: str | None
    to_state: str
    cause: Cause
    why: str
    evidence: Mapping[str, Any]
    created_at: datetime

    @property
    def detector(self) -> Detector:
        return Detector(self.pattern_id, self.version, self.digest, self.mitigation)

    @property
    def standing(self) -> Standing:
        """Where the detector is after this move."""
        state = PatternState(self.to_state)
        before = PatternState(self.from_state) if self.from_state else PatternState.CANDIDATE
        by_person = self.cause == "person"
        lowered = by_person and _ORDER.index(state) < _ORDER.index(before)
        return Standing(state, self.detector.acts, by_person, lowered)


def history(source: Database | sa.Connection, pattern_id: str) -> list[Transition]:
    """Return every move of a pattern, of all its versions and repositories, the oldest first."""
    table = pattern_transitions
    query = (
        sa.select(table)
        .where(table.c.pattern_id == pattern_id)
        .order_by(table.c.created_at, table.c.digest, table.c.repository, table.c.ordinal)
    )
    with reading(source) as conn:
        return [Transition(**row) for row in conn.execute(query).mappings()]


def latest(source: Database | sa.Connection) -> dict[tuple[str, str, str], Transition]:
    """Return the last move of each detector by pattern id, digest and repository."""
    table = pattern_transitions
    keys = [table.c[name] for name in _KEY]
    last = sa.select(*keys, sa.func.max(table.c.ordinal).label("ordinal")).group_by(*keys)
    each = last.subquery()
    query = sa.select(table).join(
        each, sa.and_(*(table.c[name] == each.c[name] for name in (*_KEY, "ordinal")))
    )
    with reading(source) as conn:
        found = [Transition(**row) for row in conn.execute(query).mappings()]
    return {(one.pattern_id, one.digest, one.repository): one for one in found}


def backtests(conn: sa.Connection) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return what generated detectors matched of the stored errors, by pattern id and digest."""
    table = pattern_transitions
    query = sa.select(table.c.pattern_id, table.c.digest, table.c.evidence)
    rows = conn.execute(query.where(table.c.cause == "generated"))
    return {(name, digest): said["backtest"] for name, digest, said in rows if "backtest" in said}


def in_force(
    moves: Mapping[tuple[str, str, str], Transition], detector: Detector, repository: str
) -> Transition | None:
    """Return the move that counts for a detector in a repository: its own before the general."""
    key = (detector.pattern_id, detector.digest)
    return moves.get((*key, repository)) or moves.get((*key, EVERYWHERE))


def move(
    conn: sa.Connection,
    detector: Detector,
    repository: str,
    state: PatternState,
    *,
    cause: Cause,
    why: str,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """Move a detector to a state. Where another process moves it at the same time, one of them
    does.
    """
    last = _last(conn, detector, repository)
    conn.execute(
        insert_new(conn, pattern_transitions).values(
            pattern_id=detector.pattern_id,
            digest=detector.digest,
            repository=repository,
            ordinal=1 if last is None else last.ordinal + 1,
            version=detector.version,
            mitigation=detector.mitigation,
            from_state=None if last is None else last.to_state,
            to_state=state.value,
            cause=cause,
            why=why,
            evidence=dict(evidence or {}),
            created_at=now(conn),
        )
    )


def is_known(conn: sa.Connection, detector: Detector, repository: str) -> bool:
    """Return whether a detector has a state of its own there."""
    return _last(conn, detector, repository) is not None


def begin_watching(conn: sa.Connection, detectors: Sequence[tuple[Detector, str, str]]) -> None:
    """Put detectors into shadow that a run has loaded and that are not there yet.

    Each comes with the repository that it is measured in and where it was loaded from.
    """
    for detector, repository, where in detectors:
        last = _last(conn, detector, repository)
        if last is None or last.to_state == PatternState.CANDIDATE.value:
            why = f"loaded from {where}"
            move(conn, detector, repository, PatternState.SHADOW, cause="loaded", why=why)


def advance(conn: sa.Connection, pattern_id: str, digest: str) -> None:
    """Move a detector as its judged hits say, everywhere and in each repository of its own."""
    table = pattern_transitions
    query = (
        sa.select(table.c.repository)
        .where(table.c.pattern_id == pattern_id, table.c.digest == digest)
        .distinct()
    )
    for repository in conn.scalars(query).all():
        _advance(conn, Detector(pattern_id, 0, digest, ""), repository)


def _advance(conn: sa.Connection, named: Detector, repository: str) -> None:
    judged = Judged(*counts(conn, named.pattern_id, named.digest, repository))
    # Twice at most in one direction: shadow, suggest, mitigate.
    for _ in range(2):
        last = _last(conn, named, repository)
        following = None if last is None else judged_move(last.standing, judged)
        if last is None or following is None:
            return
        move(
            conn,
            last.detector,
            repository,
            following,
            cause="judged",
            why=_sentence(judged),
            evidence=evidence_of(judged),
        )


def evidence_of(judged: Judged) -> dict[str, Any]:
    """Return what judged hits show, as a transition keeps it."""
    lo, hi = judged.interval
    return {
        "right": judged.right,
        "wrong": judged.wrong,
        "precision": judged.precision,
        "lo": lo,
        "hi": hi,
        "e_values": {state.value: judged.e_value(bar) for state, bar in BARS.items()},
        "bars": {state.value: bar for state, bar in BARS.items()},
    }


def _sentence(judged: Judged) -> str:
    lo, hi = judged.interval
    return (
        f"{judged.right} of {judged.count} judged hits were right: a precision from {lo:.3f} to"
        f" {hi:.3f}"
    )


def by_person(
    conn: sa.Connection,
    detector: Detector,
    repository: str,
    direction: Literal["promote", "demote", "retire"],
    why: str,
) -> tuple[PatternState | None, PatternState]:
    """Move a detector a step, whatever its hits say; return its states before and after.

    Raises Refused naming ``pattern`` where there is no step in that direction.
    """
    last = _last(conn, detector, repository) or _last(conn, detector, EVERYWHERE)
    before = None if last is None else PatternState(last.to_state)
    after = _step(before or PatternState.CANDIDATE, direction)
    if after is None:
        raise Refused(
            f"{detector.pattern_id} is in state {before or 'candidate'}: it cannot be {direction}d",
            field="pattern",
            hint="autopack patterns list shows the states",
        )
    right, wrong = counts(conn, detector.pattern_id, detector.digest, repository)
    evidence = evidence_of(Judged(right, wrong))
    if last is not None and last.repository != repository:
        # What holds everywhere is where the repository's own history begins.
        general = f"as everywhere: {last.why}"
        move(conn, detector, repository, PatternState(last.to_state), cause="loaded", why=general)
    move(conn, detector, repository, after, cause="person", why=why, evidence=evidence)
    return before, after


def _step(state: PatternState, direction: str) -> PatternState | None:
    if direction == "promote":
        return above(state)
    if direction == "demote":
        return below(state)
    return None if state is PatternState.RETIRED else PatternState.RETIRED


def _last(conn: sa.Connection, detector: Detector, repository: str) -> Transition | None:
    table = pattern_transitions
    query = (
        sa.select(table)
        .where(
            table.c.pattern_id == detector.pattern_id,
            table.c.digest == detector.digest,
            table.c.repository == repository,
        )
        .order_by(table.c.ordinal.desc())
        .limit(1)
        .with_for_update()
    )
    row = conn.execute(query).mappings().first()
    return None if row is None else Transition(**row)
