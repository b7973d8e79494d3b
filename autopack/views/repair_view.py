"""What followed an attempt, as JSON: known failures that were met, and what reviewers said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from autopack.store.reviews import ReviewRow
from autopack.views.json_values import timestamp

Json = dict[str, Any]


def after_attempts(
    phase_id: str, mitigations: Sequence[RowMapping], reviews: Sequence[ReviewRow]
) -> Json:
    """Return what of a run's mitigations and reviews was about a phase."""
    return {
        "mitigations": [mitigation_view(one) for one in mitigations if one["phase_id"] == phase_id],
        "reviews": [review_view(one) for one in reviews if one.phase_id == phase_id],
    }


def mitigation_view(row: RowMapping) -> Json:
    """Return what was done about a known failure, and what came of it."""
    names = ("attempt", "pattern_id", "success", "fixed", "actions_taken", "suggestions")
    return {name: row[name] for name in (*names, "doctor_call_skipped")}


def review_view(row: ReviewRow) -> Json:
    """Return a review.

    ``changed`` of a finding tells whether the next attempt changed the lines that it quotes, null
    until there is one; ``person`` is right or wrong once somebody has said so.
    """
    return {
        "review_id": row.id,
        "attempt": row.attempt,
        "round": row.round,
        "commit": row.commit,
        "reviewer": row.reviewer,
        "model": row.model,
        "simulated": row.simulated,
        "verdict": row.verdict,
        "why": row.why,
        "findings": [
            {
                "path": one["path"],
                "quote": one["quote"],
                "problem": one["problem"],
                "changed": one.get("changed"),
                "person": one.get("person"),
            }
            for one in row.findings
        ],
        "dropped": [dict(one) for one in row.dropped],
        "notes": list(row.notes),
        "created_at": timestamp(row.created_at),
    }


def review_line(review: Json) -> str:
    """Return a review (of the JSON of `show`) in a line."""
    who = review["reviewer"] + (f" with {review['model']}" if review["model"] else "")
    why = f": {review['why']}" if review["why"] else ""
    said = f"{review['verdict']}{why}"
    return f"Review {review['round']} by {who}, of attempt {review['attempt']}: {said}"
