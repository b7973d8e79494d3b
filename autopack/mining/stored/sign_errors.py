"""Gives every logged error that no pattern caught its signature, once for each version.

The errors are read first and signed in memory; then one transaction stores all of it. A process
that is killed leaves nothing or all, and a second one finds nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.model.causes import FailureCause
from autopack.repair.classify.classifier import classify, classify_check
from autopack.repair.patterns import Evidence, FailurePattern, matches
from autopack.repair.signatures.signature import SIGNATURE_VERSION, Signed, sign
from autopack.repair.signatures.telling import Rank
from autopack.store.database.engine import Database, insert_new, now
from autopack.store.tables.mining import mined_errors, mined_signatures
from autopack.store.tables.rollups import error_logs

_CHUNK = 2_000
# Their message says what happened; what the program printed until then may say anything.
_TOLD_BY_MESSAGE = frozenset(
    cause.value
    for cause in (
        FailureCause.TIMEOUT,
        FailureCause.DELIVERABLE_MISSING,
        FailureCause.REVIEW_REJECTED,
    )
)


@dataclass(frozen=True)
class Found:
    """How many errors and how many signatures were new."""

    errors: int
    signatures: int


@dataclass(frozen=True)
class _New:
    """A signature that is not stored, with what is said of its first text."""

    signed: Signed
    type: str
    known_pattern: str | None


def sign_errors(
    db: Database, patterns: Sequence[FailurePattern], *, since: datetime | None = None
) -> Found:
    """Store the signature of every error that has none; ``patterns`` tell which are known.

    Only errors that no pattern caught are looked at, from ``since`` on.
    """
    new: dict[str, _New] = {}
    with db.read() as conn:
        stored = set(conn.scalars(sa.select(mined_signatures.c.signature)))
        keys = list(_signed_keys(conn, stored, new, patterns, since))
    if not keys:
        return Found(0, 0)

    def write(conn: sa.Connection) -> Found:
        at = now(conn)
        if new:
            conn.execute(
                insert_new(conn, mined_signatures),
                [
                    {
                        "signature": each.signed.signature,
                        "signature_version": SIGNATURE_VERSION,
                        "normalised": each.signed.normalised,
                        "exception": each.signed.exception,
                        "type": each.type,
                        "known_pattern": each.known_pattern,
                        "mined_at": at,
                    }
                    for each in new.values()
                ],
            )
        names = ("run_id", "phase_id", "attempt", "signature")
        for start in range(0, len(keys), _CHUNK):
            conn.execute(
                insert_new(conn, mined_errors),
                [
                    {**dict(zip(names, key, strict=True)), "signature_version": SIGNATURE_VERSION}
                    for key in keys[start : start + _CHUNK]
                ],
            )
        return Found(len(keys), len(new))

    return db.transact(write)


_Key = tuple[str, str, int, str]


def _signed_keys(
    conn: sa.Connection,
    stored: set[str],
    new: dict[str, _New],
    patterns: Sequence[FailurePattern],
    since: datetime | None,
) -> Iterator[_Key]:
    """Yield the keys of all unsigned errors with their signatures; puts new ones into ``new``."""
    for row in conn.execute(_unsigned(since), execution_options={"yield_per": _CHUNK}):
        text, signed = telling_text(row.error_type, row.message, row.output)
        signature = signed.signature
        if signature not in stored and signature not in new:
            known = matches(Evidence(text), patterns)
            new[signature] = _New(
                signed,
                type=_type(row.error_type, text),
                known_pattern=known[0].pattern_id if known else None,
            )
        yield row.run_id, row.phase_id, row.attempt, signature


def telling_text(error_type: str, message: str | None, output: str | None) -> tuple[str, Signed]:
    """Return the text that names an error, and its signature: the output's, else the message's."""
    if output and error_type not in _TOLD_BY_MESSAGE:
        signed = sign(output)
        if signed.rank is not Rank.LAST_LINE or not message:
            return output, signed
    text = message or output or ""
    return text, sign(text)


def _type(logged: str, text: str) -> str:
    """Return the cause: as it was recorded with the attempt, else by what the text says."""
    if logged == FailureCause.VALIDATION_FAILED.value:
        # A check printed it: a refused connection there is none of the provider's.
        return classify_check(exit_status=None, output=text).cause.value
    if logged not in ("", "unknown"):
        return logged
    return classify(exit_status=None, output=text).cause.value


def _unsigned(since: datetime | None) -> sa.Select[*tuple[Any, ...]]:
    errors = error_logs.c
    is_signed = sa.exists().where(
        mined_errors.c.run_id == errors.run_id,
        mined_errors.c.phase_id == errors.phase_id,
        mined_errors.c.attempt == errors.attempt,
        mined_errors.c.signature_version == SIGNATURE_VERSION,
    )
    query = (
        sa.select(
            errors.run_id,
            errors.phase_id,
            errors.attempt,
            errors.error_type,
            errors.message,
            errors.output,
        )
        .where(errors.pattern_id.is_(None), ~is_signed)
        .order_by(errors.created_at, errors.run_id, errors.phase_id, errors.attempt)
    )
    return query if since is None else query.where(errors.created_at >= since)
