"""Expansion: recurring failures become detectors that are offered for review; most are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from autopack.mining.generation.derive import Fixtures, Refused, derive
from autopack.mining.generation.files import files_of
from autopack.mining.generation.fixtures import fixtures_of
from autopack.mining.generation.self_test import failing
from autopack.mining.mine import mine
from autopack.mining.stored.recurring import Recurring
from autopack.model.errors import BadInput
from autopack.repair.lifecycle.detector import EVERYWHERE, detector_of
from autopack.repair.lifecycle.pattern_state import PatternState
from autopack.repair.lifecycle.transitions import is_known, move
from autopack.repair.patterns import Evidence, FailurePattern, matches
from autopack.repair.patterns.declarative import DeclarativePattern
from autopack.repair.patterns.pattern_registry import enabled_patterns
from autopack.secrecy.credentials import environment_secrets
from autopack.secrecy.redaction import Redactor
from autopack.store.database.engine import Database

SHORTEST_PREFIX = 6

Offer = Callable[[str, Mapping[str, str]], str | None]
"""Gives a detector and its files away; returns why not."""


@dataclass(frozen=True)
class Kept:
    """A detector that was offered: its id, its signature, and how many texts it was tested with."""

    pattern_id: str
    signature: str
    positives: int
    negatives: int


@dataclass(frozen=True)
class Expanded:
    """The funnel: how many were mined and chosen, what was refused and why, and what was kept."""

    mined: int
    chosen: int
    generated: int
    passed: int
    kept: tuple[Kept, ...]
    refused: tuple[Refused, ...]


def expand(
    db: Database,
    environ: Mapping[str, str],
    now: datetime,
    offer: Offer,
    *,
    signatures: Sequence[str] = (),
    top: int | None = None,
) -> Expanded:
    """Make detectors of some signatures, or of the ``top`` costliest, and offer those that hold.

    ``signatures`` may be shortened. Raises BadInput naming ``signature`` or ``top``.
    """
    found = mine(db, environ, now).signatures
    chosen = _chosen(found, signatures, top)
    redactor = Redactor(environment_secrets(environ))
    patterns = enabled_patterns(environ)
    refused: list[Refused] = []
    made: dict[str, tuple[Kept, dict[str, str]]] = {}
    patterns_made: dict[str, DeclarativePattern] = {}
    for each in chosen:
        fixtures = fixtures_of(db, each, found, redactor)
        pattern = _known(each, fixtures, patterns) or derive(each, fixtures)
        if isinstance(pattern, Refused):
            refused.append(pattern)
            continue
        kept = Kept(
            pattern.pattern_id,
            each.signature,
            len(fixtures.positives),
            len(fixtures.negatives),
        )
        patterns_made[pattern.pattern_id] = pattern
        made[pattern.pattern_id] = kept, files_of(pattern, each, fixtures, now)
    wrong = failing({name: files for name, (_, files) in made.items()}) if made else {}
    refused += [
        Refused(made[name][0].signature, f"its test fails: {why}") for name, why in wrong.items()
    ]
    kept_ones: list[Kept] = []
    for name, (kept, files) in made.items():
        if name in wrong:
            continue
        reason = offer(name, files)
        # Also one that is there already: who offered it may have been killed before this.
        _register(db, patterns_made[name], kept)
        if reason is None:
            kept_ones.append(kept)
        else:
            refused.append(Refused(kept.signature, reason))
    return Expanded(
        len(found),
        len(chosen),
        len(made),
        len(made) - len(wrong),
        tuple(kept_ones),
        tuple(refused),
    )


def _register(db: Database, pattern: DeclarativePattern, kept: Kept) -> None:
    """Make an offered detector a candidate, unless it is known; its back-test is said apart."""
    detector = detector_of(pattern)
    backtest = {
        "texts": kept.positives + kept.negatives,
        "hits": kept.positives,
        "of_other_failures": 0,
    }

    def write(conn: sa.Connection) -> None:
        if not is_known(conn, detector, EVERYWHERE):
            move(
                conn,
                detector,
                EVERYWHERE,
                PatternState.CANDIDATE,
                cause="generated",
                why=f"made from signature {kept.signature}",
                evidence={"backtest": backtest, "signature": kept.signature},
            )

    db.transact(write)


def _known(
    found: Recurring, fixtures: Fixtures, patterns: Sequence[FailurePattern]
) -> Refused | None:
    """Return the refusal of a failure most of whose texts a pattern recognises already."""
    first = [matches(Evidence(text), patterns)[:1] for text in fixtures.positives]
    names = Counter(one.pattern_id for match in first for one in match)
    for name, count in names.most_common(1):
        if count * 2 > len(first):
            return Refused(found.signature, f"the pattern {name} recognises it already")
    return None


def _chosen(
    found: Sequence[Recurring], signatures: Sequence[str], top: int | None
) -> list[Recurring]:
    if bool(signatures) == (top is not None):
        raise BadInput(
            "name signatures or say how many with --top",
            field="signature",
            hint="autopack patterns mine lists them",
        )
    if top is not None:
        if top < 1:
            raise BadInput(f"invalid top: {top}", field="top", hint="use 1 or more")
        return list(found[:top])
    chosen: dict[str, Recurring] = {}
    for name in signatures:
        if len(name) < SHORTEST_PREFIX:
            raise BadInput(
                f"{name!r} is too short for a signature",
                field="signature",
                hint=f"give at least {SHORTEST_PREFIX} of its digits",
            )
        fitting = [each for each in found if each.signature.startswith(name.lower())]
        if len(fitting) != 1:
            what = "more than one signature begins" if fitting else "no mined signature begins"
            raise BadInput(
                f"{what} with {name!r}",
                field="signature",
                hint="autopack patterns mine --json lists them",
            )
        chosen[fitting[0].signature] = fitting[0]
    return list(chosen.values())
