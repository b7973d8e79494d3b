"""Whether an attempt changed the lines that a reviewer of an earlier one objected to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autopack.model.causes import POLICIES, Failure
from autopack.repair.review.diff_quotes import DiffLine, touches
from autopack.runs.session.session import RunSession
from autopack.store.reviews import ReviewRow, get_reviews
from autopack.store.rows import AttemptRow

_DIFF_BYTES = 4_000_000


def quotes_changed(
    session: RunSession, attempt: AttemptRow, failure: Failure | None
) -> dict[int, list[bool]]:
    """Return for each rejection that ``attempt`` is the first to follow whether it changed the
    lines of each finding.

    Nothing of one that says nothing of its builder, or of changes too large to compare.
    """
    if session.plan.policy.review == "off" or attempt.commit is None:
        return {}
    if failure is not None and POLICIES[failure.cause].infrastructure:
        return {}
    found: dict[int, list[bool]] = {}
    for review in get_reviews(session.db, session.run_id, attempt.phase_id):
        if review.attempt >= attempt.attempt or not _is_open(review):
            continue
        if not session.mirror.has(review.commit):
            continue
        diff = session.mirror.diff(review.commit, attempt.commit, _DIFF_BYTES)
        if len(diff) < _DIFF_BYTES // 2:
            found[review.id] = [
                touches(diff, one["path"], lines_of(one["lines"])) for one in review.findings
            ]
    return found


def _is_open(review: ReviewRow) -> bool:
    return review.verdict == "reject" and not any("changed" in one for one in review.findings)


def lines_of(stored: Sequence[Mapping[str, Any]]) -> list[DiffLine]:
    return [DiffLine(one["text"], one["before"], one["after"]) for one in stored]
