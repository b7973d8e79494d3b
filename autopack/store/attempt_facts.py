"""What the store holds about the features at work in one attempt: the one place to look it up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.store.keys import of_attempt
from autopack.store.mitigations import get_normalisation
from autopack.store.reading import get_plan_body
from autopack.store.tables import DoctorModel, mitigations, runs


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What features did in an attempt; None where one was off, or does not say.

    ``doctor_model`` is the doctor that would have been asked had the call not been skipped.
    """

    failure_hardening_triggered: bool | None = None
    failure_pattern_detected: str | None = None
    failure_hardening_mitigated: bool | None = None
    doctor_call_skipped: bool | None = None
    doctor_model: DoctorModel | None = None
    intention_context_injected: bool | None = None
    intention_context_chars: int | None = None
    intention_context_source: str | None = None
    plan_normalization_used: bool | None = None
    plan_normalization_confidence: float | None = None
    plan_normalization_warnings: list[str] | None = None
    plan_deliverables_count: int | None = None
    plan_scope_size_bytes: int | None = None


def facts_of_attempt(conn: sa.Connection, key: AttemptKey) -> Facts:
    """Everything known about the features of one attempt."""
    run = conn.execute(
        sa.select(runs.c.features, runs.c.plan_hash).where(runs.c.run_id == key.run_id)
    ).first()
    features: list[str] = run.features if run else []
    facts = Facts()
    if run and Feature.INTENTION_CONTEXT.value in features:
        facts = replace(facts, **_of_intention(conn, run.plan_hash))
    if Feature.PLAN_NORMALIZATION.value in features:
        facts = replace(facts, **_of_normalisation(conn, key.run_id))
    if Feature.FAILURE_HARDENING.value in features:
        facts = replace(facts, **_of_hardening(conn, key))
    return facts


def _of_intention(conn: sa.Connection, plan_hash: str) -> dict[str, Any]:
    body = get_plan_body(conn, plan_hash)
    from autopack.context.intention import for_builder  # when an attempt ends, not to look at one

    told = for_builder(body["goal"], body["success_criteria"], body["non_goals"])
    return {
        "intention_context_injected": told is not None,
        "intention_context_chars": len(told or ""),
        "intention_context_source": "plan",
    }


def _of_normalisation(conn: sa.Connection, run_id: str) -> dict[str, Any]:
    made = get_normalisation(conn, run_id)
    if made is None:
        return {"plan_normalization_used": False}
    return {
        "plan_normalization_used": True,
        "plan_normalization_confidence": made.confidence,
        "plan_normalization_warnings": made.warnings,
        "plan_deliverables_count": len(made.deliverables),
        "plan_scope_size_bytes": len("\n".join(made.scope).encode()),
    }


def _of_hardening(conn: sa.Connection, key: AttemptKey) -> dict[str, Any]:
    rows = conn.execute(
        sa.select(mitigations).where(of_attempt(mitigations, key)).order_by(mitigations.c.id)
    ).all()
    if not rows:
        return {"failure_hardening_triggered": False}
    telling = next((row for row in rows if row.fixed), rows[-1])
    skipped = next((row for row in rows if row.doctor_call_skipped), None)
    return {
        "failure_hardening_triggered": True,
        "failure_pattern_detected": telling.pattern_id,
        "failure_hardening_mitigated": telling.fixed,
        "doctor_call_skipped": skipped is not None,
        "doctor_model": None if skipped is None else skipped.doctor_model,
    }
