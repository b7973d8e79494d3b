"""The shape of a report's JSON, and its JSON Schema: ``python -m autopack.research.report_schema``
writes that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from autopack.research.evidence import Evidence, EvidenceKind, Quality

SCHEMA_FILE = Path(__file__).with_name("report.schema.json")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Sentence(_Shape):
    """A citation: evidence as used in a sentence of the report."""

    text: str
    kind: EvidenceKind
    citation: int = Field(ge=1, description="The number of the evidence in its list, from 1.")
    locator: str | None
    excerpt: str | None
    quality: Quality | None
    follows_from: list[int]


class ListedContradiction(_Shape):
    """Two pieces of evidence, by their numbers, that cannot both be true; neither is preferred."""

    between: tuple[int, int]
    about: str


class ListedFinding(_Shape):
    """What was found out about one question."""

    question: int = Field(ge=1)
    text: str
    answered: bool
    known_from: str | None = Field(
        description="The earlier report that it was taken from without a call."
    )
    sentences: list[Sentence]
    contradictions: list[ListedContradiction]


class ListedReason(_Shape):
    """Why a claim was rejected."""

    reason: str
    sentence: str


class ListedRejection(_Shape):
    """A claim of the model that does not hold, and is no part of the findings."""

    question: int
    claim: str
    reasons: list[ListedReason]


class ListedMissing(_Shape):
    """What is not known of a question."""

    question: int
    what: str
    kind: Literal["not_found", "open_request"]


class ListedRequest(_Shape):
    """What a person was asked because no source can answer it."""

    question: int
    request: str
    state: Literal["open", "answered"]
    answer: str | None
    answered_by: str | None


class ListedFailure(_Shape):
    """What went wrong with a source or a part of it."""

    source_id: str
    kind: str
    message: str


class ListedSource(_Shape):
    """A source that was asked."""

    source_id: str
    status: Literal["searched", "failed"]
    passages: int
    failures: list[ListedFailure]


class ListedSearch(_Shape):
    """A search in every source, and how many passages it brought."""

    query: str
    hits: int


class ListedResearcher(_Shape):
    """Who was asked."""

    name: str
    model: str | None
    simulated: bool


class ListedSpend(_Shape):
    """What the calls used; the cost is null while one of them is unknown."""

    total: int
    by_category: dict[str, int]
    calls: int
    unreconciled_calls: int
    cost: float | None


class ResearchReport(_Shape):
    """A report as `autopack research run --json` prints it."""

    schema_version: Literal[1]
    report_id: str
    run_id: str
    phase_id: str
    repo: str
    commit: str
    generated_at: str
    mode: Literal["model", "model-free"]
    researcher: ListedResearcher | None
    notes: list[str]
    questions: list[str]
    evidence: list[Evidence]
    findings: list[ListedFinding]
    unverified: int
    rejected: list[ListedRejection]
    missing: list[ListedMissing]
    evidence_requests: list[ListedRequest]
    sources: list[ListedSource]
    searches: list[ListedSearch]
    spent: ListedSpend
    kept: dict[str, str] = Field(
        description="Bytes that were read and are in no repository, compressed, by their SHA-256."
    )
    state: str = Field(description="The state of the run.")
    failure_reason: str | None


def json_schema() -> str:
    """Return the JSON Schema of a report, as text."""
    schema = ResearchReport.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json_schema(), encoding="utf-8", newline="\n")
