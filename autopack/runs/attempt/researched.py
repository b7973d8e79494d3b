"""What research found, as the builders of later phases are told it: claims with their locators."""

from __future__ import annotations

from typing import Any

from autopack.plan.plan import PhaseSpec
from autopack.plan.researching import CONTEXT
from autopack.research.builder_findings import findings_for_builder
from autopack.runs.session.session import RunSession
from autopack.store.database.engine import Database
from autopack.store.research_records import get_report
from autopack.store.runs import get_run

CONTEXT_BYTES = 12_000
"""The most that a prompt has of findings, of all reports together."""


def research_context(session: RunSession, phase: PhaseSpec) -> str | None:
    """Return the findings that a phase names under ``context``; None when it names none."""
    named = [reference.removeprefix(CONTEXT) for reference in phase.context]
    if not named:
        return None
    parts: list[str] = []
    left = CONTEXT_BYTES
    for phase_id in named:
        report = report_of(session.db, session.run_id, phase_id)
        text = findings_for_builder(phase_id, report, left)
        parts.append(text)
        left = max(left - len(text.encode("utf-8", "replace")), 0)
    return "\n\n".join(parts)


def report_of(db: Database, run_id: str, phase_id: str) -> dict[str, Any] | None:
    """Return the report of a phase, also one that was completed in the run that this one retries;
    None when it wrote none.
    """
    seen: set[str] = set()
    name: str | None = run_id
    while name is not None and name not in seen:
        seen.add(name)
        report = get_report(db, name, phase_id)
        if report is not None:
            return report
        name = get_run(db, name).retry_of
    return None


def told_before(*texts: str | None) -> str | None:
    """Return the texts that there are, one after the other."""
    return "\n\n".join(text for text in texts if text) or None
