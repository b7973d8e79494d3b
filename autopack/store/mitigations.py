"""What recovery leaves in the database: plans made from text, and mitigations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import sqlalchemy as sa

from autopack.model.ids import AttemptKey
from autopack.store import tables
from autopack.store.database.engine import (
    Database,
    insert_new,
    now,
    reading,
)
from autopack.store.keys import named_run, of_attempt, run_named
from autopack.store.leases import Lease, fence
from autopack.store.tables import DoctorModel

_REVISIONS = sa.select(
    tables.phase_revisions.c.phase_id,
    tables.phase_revisions.c.revision,
    tables.phase_revisions.c.instructions,
).where(named_run(tables.phase_revisions))


class NormalisedPlan(Protocol):
    """A plan made from text, as far as it is stored."""

    @property
    def category(self) -> str: ...
    @property
    def deliverables(self) -> tuple[str, ...]: ...
    @property
    def scope(self) -> tuple[str, ...]: ...
    @property
    def confidence(self) -> float: ...
    @property
    def confidence_parts(self) -> dict[str, float]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True)
class NormalisationRow:
    """How far a run's plan, which was made from ``text``, can be trusted."""

    run_id: str
    text: str
    category: str
    deliverables: list[str]
    scope: list[str]
    confidence: float
    confidence_parts: dict[str, float]
    warnings: list[str]


@dataclass(frozen=True, kw_only=True)
class Mitigation:
    """What was done about a known failure, and what came of it.

    ``success``: every action was carried out. ``fixed``: the failure was gone afterwards; what
    did not fix it was undone. ``doctor_model`` is the doctor that was not asked because of it.
    """

    pattern_id: str
    success: bool
    fixed: bool
    actions_taken: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    doctor_model: DoctorModel | None = None


def record_normalisation(
    conn: sa.Connection, run_id: str, text: str, found: NormalisedPlan
) -> None:
    """Keep what a run's plan was made from; storing the same run again changes nothing."""
    conn.execute(
        insert_new(conn, tables.normalisations).values(
            run_id=run_id,
            text=text,
            category=found.category,
            deliverables=list(found.deliverables),
            scope=list(found.scope),
            confidence=found.confidence,
            confidence_parts=dict(found.confidence_parts),
            warnings=list(found.warnings),
        )
    )


def get_normalisation(source: Database | sa.Connection, run_id: str) -> NormalisationRow | None:
    """Return what the run's plan was made from; None when it was written as a plan."""
    table = tables.normalisations
    with reading(source) as conn:
        row = conn.execute(sa.select(table).where(table.c.run_id == run_id)).mappings().first()
    return None if row is None else NormalisationRow(**row)


def record_mitigation(
    conn: sa.Connection, lease: Lease, key: AttemptKey, mitigation: Mitigation
) -> None:
    """Keep what was done about a failure. Raises LeaseLost."""
    fence(conn, lease)
    conn.execute(
        sa.insert(tables.mitigations).values(
            **vars(key),
            pattern_id=mitigation.pattern_id,
            success=mitigation.success,
            fixed=mitigation.fixed,
            actions_taken=list(mitigation.actions_taken),
            suggestions=list(mitigation.suggestions),
            doctor_call_skipped=mitigation.doctor_model is not None,
            doctor_model=mitigation.doctor_model,
            created_at=now(conn),
        )
    )


def get_mitigations(source: Database | sa.Connection, run_id: str) -> list[sa.RowMapping]:
    """The run's mitigations in the order they were recorded."""
    table = tables.mitigations
    query = sa.select(table).where(table.c.run_id == run_id).order_by(table.c.id)
    with reading(source) as conn:
        return list(conn.execute(query).mappings())


def replace_commit(
    conn: sa.Connection,
    lease: Lease,
    key: AttemptKey,
    *,
    commit: str,
    changed_paths: Sequence[str],
) -> None:
    """The attempt's work is now ``commit``: a mitigation changed its files. Raises LeaseLost."""
    fence(conn, lease)
    table = tables.attempts
    values: dict[str, Any] = {"commit": commit, "changed_paths": list(changed_paths)}
    conn.execute(sa.update(table).where(of_attempt(table, key)).values(values))


@dataclass(frozen=True, kw_only=True)
class ConsultationRow:
    """One call of a doctor: why it was asked, and what it answered."""

    phase_id: str
    attempt: int
    tier: DoctorModel
    route: str
    infrastructure: bool
    action: str
    confidence: float
    rationale: str
    hint: str
    commit: str
    commands: list[list[str]]


def record_consultation(conn: sa.Connection, lease: Lease, row: ConsultationRow) -> None:
    """Keep a doctor's answer. Raises LeaseLost."""
    fence(conn, lease)
    conn.execute(
        sa.insert(tables.consultations).values(
            run_id=lease.run_id, created_at=now(conn), **vars(row)
        )
    )


def get_consultations(source: Database | sa.Connection, run_id: str) -> list[ConsultationRow]:
    """The run's doctor calls in the order they were made."""
    table = tables.consultations
    columns = [table.c[each.name] for each in fields(ConsultationRow)]
    query = sa.select(*columns).where(table.c.run_id == run_id).order_by(table.c.id)
    with reading(source) as conn:
        return [ConsultationRow(**row) for row in conn.execute(query).mappings()]


def record_base_failures(
    conn: sa.Connection, key: str, commit: str, command: Sequence[str], results: Mapping[str, Any]
) -> None:
    """Keep the results of a base commit's tests; what is known already is not replaced."""
    conn.execute(
        insert_new(conn, tables.base_failures).values(
            key=key,
            commit=commit,
            command=list(command),
            tests=dict(results),
            created_at=now(conn),
        )
    )


def get_base_failures(source: Database | sa.Connection, key: str) -> Mapping[str, Any] | None:
    """Return the results of a base commit's tests; None when nobody has looked yet."""
    table = tables.base_failures
    with reading(source) as conn:
        row = conn.execute(sa.select(table.c.tests).where(table.c.key == key)).first()
    return None if row is None else row.tests


def record_revision(
    conn: sa.Connection, lease: Lease, phase_id: str, revision: int, instructions: str, reason: str
) -> None:
    """Keep a phase's new instructions; the plan still holds the old ones. Raises LeaseLost."""
    fence(conn, lease)
    conn.execute(
        sa.insert(tables.phase_revisions).values(
            run_id=lease.run_id,
            phase_id=phase_id,
            revision=revision,
            instructions=instructions,
            reason=reason,
            created_at=now(conn),
        )
    )


def get_revised(source: Database | sa.Connection, run_id: str, phase_id: str) -> str | None:
    """Return the instructions of a phase's last replan; None when the plan's are in force."""
    table = tables.phase_revisions
    query = (
        sa.select(table.c.instructions)
        .where(table.c.run_id == run_id, table.c.phase_id == phase_id)
        .order_by(table.c.revision.desc())
        .limit(1)
    )
    with reading(source) as conn:
        return conn.scalar(query)


@dataclass(frozen=True)
class Revision:
    """New instructions for a phase, by a replan."""

    phase_id: str
    revision: int
    instructions: str


def get_revisions(source: Database | sa.Connection, run_id: str) -> list[Revision]:
    """Every replan of the run's phases."""
    with reading(source) as conn:
        return [Revision(*row) for row in conn.execute(_REVISIONS, run_named(run_id))]


class MeasuredDrift(Protocol):
    """How far a phase's description is from the goal."""

    @property
    def similarity(self) -> float | None: ...
    @property
    def cosine(self) -> float: ...
    @property
    def embedder(self) -> str: ...
    @property
    def threshold(self) -> float: ...
    @property
    def drifted(self) -> bool: ...


def record_drift(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    revision: int,
    drift: MeasuredDrift,
    *,
    mode: str,
) -> None:
    """Keep how far a phase's revision drifts from the goal. Raises LeaseLost."""
    fence(conn, lease)
    conn.execute(
        insert_new(conn, tables.drifts).values(
            run_id=lease.run_id,
            phase_id=phase_id,
            revision=revision,
            similarity=drift.similarity,
            cosine=drift.cosine,
            embedder=drift.embedder,
            threshold=drift.threshold,
            drifted=drift.drifted,
            mode=mode,
            created_at=now(conn),
        )
    )


def get_drift(
    source: Database | sa.Connection, run_id: str, phase_id: str, revision: int
) -> sa.RowMapping | None:
    """Return how far a phase's revision drifts; None when it was not measured."""
    table = tables.drifts
    query = sa.select(table).where(
        table.c.run_id == run_id, table.c.phase_id == phase_id, table.c.revision == revision
    )
    with reading(source) as conn:
        return conn.execute(query).mappings().first()
