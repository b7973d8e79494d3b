"""A detector derived from a signature, or the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autopack.mining.generation.proposal import proposed
from autopack.mining.generation.worth import unfit
from autopack.mining.stored.recurring import Recurring
from autopack.repair.patterns.declarative import PRIORITY, DeclarativePattern
from autopack.repair.patterns.failure_pattern import Evidence
from autopack.repair.patterns.line_pattern import LinePattern
from autopack.repair.signatures.masks import WILDCARD

_ID_DIGITS = 8
_NAME = re.compile(r"[^a-z0-9]+")
_WORDS = re.compile(r"[A-Za-z]{3,}")


@dataclass(frozen=True)
class Fixtures:
    """Texts that a detector must match, and texts of other failures and of passing runs."""

    positives: tuple[str, ...]
    negatives: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """Why a signature gives no detector."""

    signature: str
    reason: str


def derive(found: Recurring, fixtures: Fixtures) -> DeclarativePattern | Refused:
    """Return the detector of a signature that matches all positives and no negative."""
    reason = unfit(found)
    if reason is not None:
        return Refused(found.signature, reason)
    if not fixtures.positives:
        return Refused(found.signature, "none of its texts is the same without its secrets")
    line = LinePattern(tuple(found.normalised.split(WILDCARD)))
    literal = _literal(line, fixtures.positives)
    if literal is None:
        return Refused(found.signature, "no word of it stands in every text as it was printed")
    mitigation, advice = proposed(found)
    pattern = DeclarativePattern(
        pattern_id=_id(found),
        version=1,
        summary=f"Mined: {' '.join(found.normalised.split())}"[:200],
        literal=literal,
        line=line,
        mitigation=mitigation,
        arguments={"advice": advice} if mitigation == "hint" else {},
        priority=PRIORITY,
    )
    missed = [text for text in fixtures.positives if not recognises(pattern, text)]
    if missed:
        return Refused(found.signature, f"it misses {len(missed)} of its own texts")
    wrong = [text for text in fixtures.negatives if recognises(pattern, text)]
    if wrong:
        return Refused(found.signature, f"it matches {len(wrong)} texts of other failures")
    return pattern


def recognises(pattern: DeclarativePattern, text: str) -> bool:
    """Return whether the pattern recognises a failure text."""
    return pattern.detect(Evidence(text)) is not None


def _literal(line: LinePattern, texts: Sequence[str]) -> str | None:
    """Return the longest literal, or word of one, that every text holds as it was printed."""
    parts = [literal.strip() for literal in line.literals]
    parts += [word for literal in line.literals for word in _WORDS.findall(literal)]
    held = (part for part in parts if part and all(part in text for text in texts))
    return max(held, key=len, default=None)


def _id(found: Recurring) -> str:
    name = _NAME.sub("_", (found.exception or found.type).lower()).strip("_")[:40]
    return f"mined_{name or 'failure'}_{found.signature[:_ID_DIGITS]}"
