"""What was decided after an attempt, what was tried without a model, and what a doctor said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autopack.store.database.engine import Database
from autopack.store.mitigations import ConsultationRow, get_consultations
from autopack.store.rows import AttemptRow

Json = dict[str, Any]


@dataclass(frozen=True)
class AttemptFacts:
    """All that followed from an attempt, and what it spent (None where that is unknown)."""

    decisions: list[Json]
    mitigations: list[Json]
    consultations: list[ConsultationRow]
    reviews: list[Json]
    tokens: int | None
    cost: float | None
    has_spent: bool
    reserved: int | None


def attempt_facts(db: Database, view: Json, row: AttemptRow) -> AttemptFacts:
    """Return the facts of one attempt; ``view`` is the JSON of its run."""
    return facts_of(view, get_consultations(db, row.run_id), row)


def facts_of(view: Json, consultations: list[ConsultationRow], row: AttemptRow) -> AttemptFacts:
    """Return the same without the database."""
    phase = next(one for one in view["phases"] if one["phase_id"] == row.phase_id)
    name = f"{row.phase_id}/{row.attempt}"
    tree = view["budget"]["tree"]
    node = next((one for one in tree if (one["level"], one["name"]) == ("attempt", name)), None)
    return AttemptFacts(
        decisions=[one for one in phase["decisions"] if one["attempt"] == row.attempt],
        mitigations=[one for one in phase["mitigations"] if one["attempt"] == row.attempt],
        consultations=[
            one
            for one in consultations
            if (one.phase_id, one.attempt) == (row.phase_id, row.attempt)
        ],
        reviews=[one for one in phase["reviews"] if one["attempt"] == row.attempt],
        tokens=None if node is None else node["spent"]["tokens"],
        cost=None if node is None else node["spent"]["cost"],
        has_spent=node is not None,
        reserved=None if node is None else node["reserved"]["tokens"],
    )
