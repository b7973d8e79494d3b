"""What keeps failing: the signed errors of a period by signature, ranked by what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from autopack.ledger.sums import event_columns
from autopack.mining.grouping import family_names
from autopack.mining.stored.aftermath import EndedBy, Followed
from autopack.mining.stored.samples import samples_of
from autopack.repair.signatures.signature import SIGNATURE_VERSION
from autopack.secrecy.redaction import Redactor
from autopack.store.database.engine import Database
from autopack.store.tables import llm_usage_events
from autopack.store.tables.mining import mined_errors, mined_signatures
from autopack.store.tables.rollups import error_logs, usage_archive

Confidence = Literal["high", "medium", "low"]
Priority = Literal["HIGH", "MEDIUM", "LOW"]


@dataclass(frozen=True)
class Recurring:
    """One signature with all its errors of the period.

    ``count`` is of distinct attempts. ``tokens`` is what those attempts used, None where nothing is
    known; ``cost`` in US dollars is None while any of their calls has no known price,
    ``unpriced_calls`` how many have none, and ``cost_known`` is what the others cost. ``samples``
    are redacted and bounded.
    """

    signature: str
    family: str
    type: str
    normalised: str
    exception: str | None
    known_pattern: str | None
    count: int
    runs: int
    phases: int
    tokens: int | None
    cost: Decimal | None
    cost_known: Decimal | None
    unpriced_calls: int
    samples: tuple[str, ...]
    first_seen: datetime
    last_seen: datetime
    ended_by: EndedBy

    @property
    def confidence(self) -> Confidence:
        """Return how often it must be seen before it is taken for one failure."""
        return "high" if self.count >= 5 else "medium" if self.count >= 3 else "low"

    @property
    def priority(self) -> Priority:
        """Return its place in a backlog."""
        return "HIGH" if self.count >= 10 else "MEDIUM" if self.count >= 5 else "LOW"


@dataclass
class _Errors:
    """The errors of one signature, as they are read."""

    first_seen: datetime
    last_seen: datetime
    attempts: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])


@dataclass(frozen=True)
class _Spent:
    tokens: int
    known: Decimal
    unpriced: int


def recurring(
    db: Database, redactor: Redactor, *, since: datetime | None = None, least: int = 1
) -> list[Recurring]:
    """Return the signatures with at least ``least`` errors since then, the costliest first."""
    with db.read() as conn:
        errors = _errors(conn, since)
        kept = {name: found for name, found in errors.items() if len(found.attempts) >= least}
        said = _said(conn, kept)
        family = family_names({name: said[name].normalised for name in kept})
        spent = _spent(conn, since)
        runs = sa.select(mined_errors.c.run_id).where(_in_period(since)).distinct()
        followed = Followed.read(conn, runs)
        samples = samples_of(conn, {n: e.attempts for n, e in kept.items()}, redactor)
    found = [
        Recurring(
            signature=name,
            family=family[name],
            type=said[name].type,
            normalised=said[name].normalised,
            exception=said[name].exception,
            known_pattern=said[name].known_pattern,
            count=len(each.attempts),
            runs=len({run_id for run_id, _, _ in each.attempts}),
            phases=len({(run_id, phase_id) for run_id, phase_id, _ in each.attempts}),
            tokens=spent[name].tokens if name in spent else None,
            cost=spent[name].known if name in spent and not spent[name].unpriced else None,
            cost_known=spent[name].known if name in spent else None,
            unpriced_calls=spent[name].unpriced if name in spent else 0,
            samples=samples[name],
            first_seen=each.first_seen,
            last_seen=each.last_seen,
            ended_by=followed.of(each.attempts),
        )
        for name, each in kept.items()
    ]
    return sorted(found, key=_rank)


def _rank(each: Recurring) -> tuple[Any, ...]:
    """By money where there is some, by tokens, by count; the signature makes it the same always."""
    return (-(each.cost_known or 0), -(each.tokens or 0), -each.count, each.signature)


def _in_period(since: datetime | None) -> sa.ColumnElement[bool]:
    ours = sa.and_(
        mined_errors.c.run_id == error_logs.c.run_id,
        mined_errors.c.phase_id == error_logs.c.phase_id,
        mined_errors.c.attempt == error_logs.c.attempt,
        mined_errors.c.signature_version == SIGNATURE_VERSION,
        error_logs.c.pattern_id.is_(None),
    )
    return ours if since is None else sa.and_(ours, error_logs.c.created_at >= since)


def _errors(conn: sa.Connection, since: datetime | None) -> dict[str, _Errors]:
    mined = mined_errors.c
    query = (
        sa.select(
            mined.signature, mined.run_id, mined.phase_id, mined.attempt, error_logs.c.created_at
        )
        .where(_in_period(since))
        .order_by(error_logs.c.created_at, mined.run_id, mined.phase_id, mined.attempt)
    )
    found: dict[str, _Errors] = {}
    for signature, run_id, phase_id, attempt, at in conn.execute(query):
        errors = found.setdefault(signature, _Errors(at, at))
        errors.last_seen = at
        errors.attempts.append((run_id, phase_id, attempt))
    return found


def _said(conn: sa.Connection, signatures: Iterable[str]) -> dict[str, sa.Row[Any]]:
    wanted = set(signatures)
    rows = conn.execute(
        sa.select(mined_signatures).where(mined_signatures.c.signature_version == SIGNATURE_VERSION)
    )
    return {row.signature: row for row in rows if row.signature in wanted}


def _spent(conn: sa.Connection, since: datetime | None) -> dict[str, _Spent]:
    """Return what the attempts of each signature used, of the ledger and of its archive."""
    names = ("total_tokens", "cost_microdollars", "cost_picodollars", "unpriced_events")
    added = event_columns(conn.dialect.name)
    parts: list[sa.Select[Any]] = []
    for table, columns in (
        (llm_usage_events, added),
        (usage_archive, {name: usage_archive.c[name] for name in names}),
    ):
        parts.append(
            sa.select(mined_errors.c.signature, *(columns[name].label(name) for name in names))
            .where(
                table.c.run_id == mined_errors.c.run_id,
                table.c.phase_id == mined_errors.c.phase_id,
                table.c.attempt == mined_errors.c.attempt,
            )
            .where(_in_period(since))
        )
    every = sa.union_all(*parts).subquery()
    query = sa.select(
        every.c.signature, *(sa.func.sum(every.c[name]).label(name) for name in names)
    ).group_by(every.c.signature)
    return {
        row.signature: _Spent(
            tokens=int(row.total_tokens),
            known=Decimal(int(row.cost_microdollars)) / 10**6
            + Decimal(int(row.cost_picodollars)) / 10**12,
            unpriced=int(row.unpriced_events),
        )
        for row in conn.execute(query)
    }
