"""What reviewers said of changes that pass their checks, and what that was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import AttemptKey
from autopack.store.database.engine import Database, insert_new, now, reading
from autopack.store.leases import Lease, fence
from autopack.store.tables import reviews

VerdictName = Literal["approve", "reject", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class NewReview:
    """A review of a phase: the ``round``-th, of an attempt's ``commit``.

    Each of ``findings`` has path, quote, problem, line and end, each of ``dropped`` path, quote,
    problem and why. ``why`` is the reviewer's sentence, or why it is inconclusive.
    """

    phase_id: str
    attempt: int
    round: int
    commit: str
    reviewer: str
    model: str | None
    simulated: bool
    verdict: VerdictName
    why: str
    findings: Sequence[Mapping[str, Any]]
    dropped: Sequence[Mapping[str, Any]]
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ReviewRow(NewReview):
    """A review as it is stored.

    A finding also has ``changed`` once the next attempt was built: whether that changed the
    quoted lines; and ``person``, right or wrong, once somebody has said so.
    """

    id: int
    run_id: str
    created_at: datetime


def record_review(conn: sa.Connection, lease: Lease, new: NewReview) -> bool:
    """Keep a review; return False where its round is there already. Raises LeaseLost."""
    fence(conn, lease)
    values: dict[str, Any] = {
        **vars(new),
        "findings": [dict(one) for one in new.findings],
        "dropped": [dict(one) for one in new.dropped],
        "notes": list(new.notes),
    }
    row = insert_new(conn, reviews).values(run_id=lease.run_id, created_at=now(conn), **values)
    return conn.execute(row.returning(reviews.c.id)).first() is not None


def get_reviews(
    source: Database | sa.Connection, run_id: str, phase_id: str | None = None
) -> list[ReviewRow]:
    """Return the reviews of a run, or of one phase of it, in the order they were made."""
    query = sa.select(reviews).where(reviews.c.run_id == run_id).order_by(reviews.c.id)
    if phase_id is not None:
        query = query.where(reviews.c.phase_id == phase_id)
    with reading(source) as conn:
        return [review_of(row) for row in conn.execute(query).mappings()]


def find_reviews(
    source: Database | sa.Connection,
    *,
    run_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ReviewRow]:
    """Return the reviews of a run, or those made from a moment on and before another."""
    query = sa.select(reviews).order_by(reviews.c.id)
    if run_id is not None:
        query = query.where(reviews.c.run_id == run_id)
    if since is not None:
        query = query.where(reviews.c.created_at >= since)
    if until is not None:
        query = query.where(reviews.c.created_at < until)
    with reading(source) as conn:
        return [review_of(row) for row in conn.execute(query).mappings()]


def judge_findings(
    conn: sa.Connection, review_id: int, verdict: Literal["right", "wrong"], number: int | None
) -> ReviewRow:
    """Keep what a person says of a finding of a rejection, counted from 1, or of all of them.

    Raises NotFound where there is no such review, and BadInput where there is no such finding.
    """
    row = conn.execute(sa.select(reviews).where(reviews.c.id == review_id)).mappings().first()
    if row is None:
        raise NotFound(
            f"there is no review {review_id}", field="review", hint="autopack show RUN --json"
        )
    count = len(row["findings"])
    if row["verdict"] != "reject":
        raise BadInput(
            f"review {review_id} rejects nothing", field="review", hint="judge a rejection"
        )
    if number is not None and not 1 <= number <= count:
        raise BadInput(
            f"review {review_id} has no finding {number}",
            field="finding",
            hint=f"use a number from 1 to {count}",
        )
    said = [{"person": verdict} if number in (None, at) else {} for at in range(1, count + 1)]
    _update(conn, review_id, said)
    return review_of(
        conn.execute(sa.select(reviews).where(reviews.c.id == review_id)).mappings().one()
    )


def review_of(row: sa.RowMapping) -> ReviewRow:
    return ReviewRow(**{each.name: row[each.name] for each in fields(ReviewRow)})


def note_changed(
    conn: sa.Connection, lease: Lease, review_id: int, changed: Sequence[bool]
) -> None:
    """Keep whether the next attempt changed the lines of each finding. Raises LeaseLost."""
    fence(conn, lease)
    _update(conn, review_id, [{"changed": one} for one in changed])


def _update(conn: sa.Connection, review_id: int, more: Sequence[Mapping[str, Any]]) -> None:
    where = reviews.c.id == review_id
    found = conn.scalars(sa.select(reviews.c.findings).where(where).with_for_update()).one()
    findings = [one | dict(added) for one, added in zip(found, more, strict=True)]
    conn.execute(sa.update(reviews).where(where).values(findings=findings))


def of_attempt(found: Sequence[ReviewRow], key: AttemptKey) -> list[ReviewRow]:
    """Return the reviews of one attempt."""
    return [one for one in found if (one.phase_id, one.attempt) == (key.phase_id, key.attempt)]
