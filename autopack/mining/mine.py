"""Mining: sign what was not signed so far, and say what keeps failing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from autopack.ledger.period import parse_moment
from autopack.mining.stored.recurring import Recurring, recurring
from autopack.mining.stored.sign_errors import Found, sign_errors
from autopack.model.errors import BadInput
from autopack.repair.patterns.pattern_registry import enabled_patterns
from autopack.repair.signatures.signature import SIGNATURE_VERSION
from autopack.secrecy.credentials import environment_secrets
from autopack.secrecy.redaction import Redactor
from autopack.store.columns import storable
from autopack.store.database.engine import Database
from autopack.views.json_values import money


@dataclass(frozen=True)
class Mined:
    """What keeps failing since ``since`` (None: ever), and what was new to this mining."""

    since: datetime | None
    least: int
    found: Found
    signatures: tuple[Recurring, ...]

    @property
    def errors(self) -> int:
        """Return how many errors the signatures have together."""
        return sum(each.count for each in self.signatures)


def mine(
    db: Database,
    environ: Mapping[str, str],
    now: datetime,
    *,
    since: str | None = None,
    least: int = 1,
    prefix: str = "",
) -> Mined:
    """Return the recurring failures that no pattern caught, the costliest first.

    ``since`` is an age such as ``30d`` or a date. Raises BadInput naming ``since``,
    with ``prefix`` before it, or ``min``.
    """
    if least < 1:
        raise BadInput(f"invalid min: {least}", field="min", hint="use 1 or more occurrences")
    moment = None if since is None else parse_moment(since, now, f"{prefix}since")
    found = sign_errors(db, enabled_patterns(environ), since=moment)
    redactor = Redactor(environment_secrets(environ))
    return Mined(moment, least, found, tuple(recurring(db, redactor, since=moment, least=least)))


def as_json(mined: Mined) -> dict[str, Any]:
    """Return the report as JSON."""
    return {
        "signature_version": SIGNATURE_VERSION,
        "since": None if mined.since is None else mined.since.isoformat(),
        "min": mined.least,
        "errors": mined.errors,
        "new_errors": mined.found.errors,
        "new_signatures": mined.found.signatures,
        "signatures": [_signature(each) for each in mined.signatures],
    }


def _signature(each: Recurring) -> dict[str, Any]:
    return {
        "signature": each.signature,
        "family": each.family,
        "type": each.type,
        "count": each.count,
        "runs": each.runs,
        "phases": each.phases,
        "attempts": each.count,
        "tokens": each.tokens,
        "cost": money(each.cost),
        "cost_known": money(each.cost_known),
        "unpriced_calls": each.unpriced_calls,
        "confidence": each.confidence,
        "priority": each.priority,
        "samples": [storable(sample) for sample in each.samples],
        "first_seen": each.first_seen.isoformat(),
        "last_seen": each.last_seen.isoformat(),
        "ended_by": {
            "passed": each.ended_by.passed,
            "not_passed": each.ended_by.not_passed,
            "decisions": dict(each.ended_by.decisions),
            "doctor": dict(each.ended_by.doctor),
            "changed_files": each.ended_by.changed_files,
        },
        "normalised": each.normalised,
        "exception": each.exception,
        "known_pattern": each.known_pattern,
    }
