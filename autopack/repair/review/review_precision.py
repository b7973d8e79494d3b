"""How often reviewers were right, as detectors are measured: by the next attempt, and by people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.repair.lifecycle.precision import Judged
from autopack.store.reviews import ReviewRow, find_reviews


@dataclass(frozen=True)
class Reviewing:
    """What one reviewer said with one model, and what its findings were worth.

    ``changed``: the next attempt changed the quoted lines, or did not. It was told to, so that
    this is what its builder made of them, and no proof. ``person``: somebody agreed, or did not.
    Findings of approvals count in neither.
    """

    reviewer: str
    model: str | None
    reviews: Sequence[ReviewRow]

    def count(self, verdict: str) -> int:
        return sum(one.verdict == verdict for one in self.reviews)

    @property
    def findings(self) -> int:
        """The findings of rejections."""
        return len(self._objections)

    @property
    def dropped(self) -> int:
        """The findings whose quotations did not hold."""
        return sum(len(one.dropped) for one in self.reviews)

    @property
    def changed(self) -> Judged:
        said = [one["changed"] for one in self._objections if one.get("changed") is not None]
        return Judged(said.count(True), said.count(False))

    @property
    def person(self) -> Judged:
        said = [one.get("person") for one in self._objections]
        return Judged(said.count("right"), said.count("wrong"))

    @property
    def _objections(self) -> list[Any]:
        return [one for row in self.reviews if row.verdict == "reject" for one in row.findings]


def reviewing(
    conn: sa.Connection,
    *,
    run_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Reviewing]:
    """Return what reviewers said in a run, or in the reviews of a period; in all by default."""
    return grouped(find_reviews(conn, run_id=run_id, since=since, until=until))


def grouped(found: Iterable[ReviewRow]) -> list[Reviewing]:
    """Return the reviews of each reviewer and model."""
    rows: defaultdict[tuple[str, str | None], list[ReviewRow]] = defaultdict(list)
    for one in found:
        rows[one.reviewer, one.model].append(one)
    return [
        Reviewing(*who, rows[who]) for who in sorted(rows, key=lambda who: (who[0], who[1] or ""))
    ]


def as_json(one: Reviewing) -> dict[str, Any]:
    """Return the figures of a reviewer; a precision is null where nothing was judged."""
    return {
        "reviewer": one.reviewer,
        "model": one.model,
        "reviews": len(one.reviews),
        "approve": one.count("approve"),
        "reject": one.count("reject"),
        "inconclusive": one.count("inconclusive"),
        "findings": one.findings,
        "dropped": one.dropped,
        "changed": _judged(one.changed),
        "person": _judged(one.person),
    }


def _judged(found: Judged) -> dict[str, Any]:
    known = found.count > 0
    low, high = found.interval
    return {
        "right": found.right,
        "wrong": found.wrong,
        "precision": found.precision,
        "interval": {"lo": low, "hi": high} if known else None,
    }
