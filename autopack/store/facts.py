"""What the store holds about the features at work in one attempt: the one place to look it up."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from autopack.plan.features import Feature
from autopack.store.tables import DoctorModel, metadata, runs


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


def facts_of_attempt(conn: sa.Connection, run_id: str, phase_id: str, attempt: int) -> Facts:
    """Everything known about the features of one attempt."""
    query = sa.select(runs.c.features).where(runs.c.run_id == run_id)
    features: list[str] = conn.scalar(query) or []
    if Feature.FAILURE_HARDENING.value not in features:
        return Facts()
    # Databases and tests may go without the tables of recovery; then nothing was ever mitigated.
    mitigations = metadata.tables.get("mitigations")
    if mitigations is None:
        return Facts(failure_hardening_triggered=False)
    rows = conn.execute(
        sa.select(mitigations)
        .where(
            mitigations.c.run_id == run_id,
            mitigations.c.phase_id == phase_id,
            mitigations.c.attempt == attempt,
        )
        .order_by(mitigations.c.id)
    ).all()
    if not rows:
        return Facts(failure_hardening_triggered=False)
    telling = next((row for row in rows if row.fixed), rows[-1])
    skipped = next((row for row in rows if row.doctor_call_skipped), None)
    return Facts(
        failure_hardening_triggered=True,
        failure_pattern_detected=telling.pattern_id,
        failure_hardening_mitigated=telling.fixed,
        doctor_call_skipped=skipped is not None,
        doctor_model=None if skipped is None else skipped.doctor_model,
    )
