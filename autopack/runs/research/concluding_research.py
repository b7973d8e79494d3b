"""The end of a research phase: its report kept, the phase at its end, the head unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from autopack.agents.protocol import BuildStatus, EndedBy
from autopack.failpoints import Step, durable
from autopack.model.causes import POLICIES, FailureCause
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState
from autopack.repair import outage as outages
from autopack.repair.classify.provider_trouble import provider_failure, refusal
from autopack.repair.decide import Decision, DecisionKind, give_up_waiting
from autopack.research.kept_bytes import EmbeddedBytes
from autopack.research.research_report import Facts, Finding, report_json
from autopack.research.researcher import ResearchFailed
from autopack.research.reviewing import Review
from autopack.runs.attempt.decisions import record
from autopack.runs.research.desk import Desk
from autopack.runs.research.opening_sources import kept_bytes
from autopack.runs.session.session import RunSession
from autopack.runs.spools.spool import BuildEnd
from autopack.store import tables
from autopack.store.columns import CATEGORIES
from autopack.store.database.engine import reading
from autopack.store.research_records import record_finding, record_report
from autopack.store.runs import PhaseFailure, move_phase


def report_id(run_id: str, phase_id: str) -> str:
    """Return what a report is called."""
    return f"{run_id}.{phase_id}"


def conclude(desk: Desk, findings: Sequence[Finding], found: Review) -> dict[str, Any]:
    """Store the report and complete the phase, whose commit is the head as it was."""
    session, phase_id = desk.session, desk.phase.id
    run, researcher = session.run(), desk.researcher
    report = report_json(
        findings,
        Facts(
            report_id=report_id(run.run_id, phase_id),
            run_id=run.run_id,
            phase_id=phase_id,
            repo=run.repo,
            commit=run.base_commit,
            at=session.clock.now(),
            researcher=None
            if researcher is None
            else {
                "name": researcher.name,
                "model": researcher.model,
                "simulated": researcher.simulated,
            },
            sources=desk.gathered.sources_json(),
            searches=[{"query": one.text, "hits": one.hits} for one in desk.gathered.searches],
            rejected=found.rejected,
            requests=desk.requests,
            notes=[session.redactor.text(note) for note in desk.notes],
            spent=_spent(session, phase_id),
        ),
    )
    report["kept"] = _carried(session, report)
    answered = sum(one["answered"] for one in report["findings"])
    decision = Decision(
        DecisionKind.COMPLETE,
        f"{answered} of {len(findings)} questions answered, "
        f"{len(report['evidence'])} pieces of evidence",
    )

    def write(conn: sa.Connection) -> None:
        record_report(conn, session.lease, phase_id, report)
        for one in findings:
            if one.known_from is None and one.own:
                key = desk.keys[one.question]
                record_finding(conn, session.lease, phase_id, key, one.as_json())
        move_phase(conn, session.lease, phase_id, PhaseState.COMPLETE, commit=session.head())
        record(conn, session, desk.key, decision)

    with durable(Step.RESEARCH_CONCLUDED):
        session.transact(write)
    return report


def fail(session: RunSession, phase_id: str, cause: FailureCause, message: str) -> Decision:
    """End the phase, and the run, because research cannot continue."""
    said = session.redactor.text(message)
    decision = Decision(DecisionKind.STOP, said, run_state=POLICIES[cause].ends)

    def write(conn: sa.Connection) -> None:
        failure = PhaseFailure(cause.value, said)
        move_phase(conn, session.lease, phase_id, PhaseState.FAILED, failure=failure)
        record(conn, session, AttemptKey(session.run_id, phase_id, 0), decision)

    session.transact(write)
    return decision


def meet_trouble(session: RunSession, phase_id: str, error: ResearchFailed) -> Decision:
    """Return how long a provider in trouble is left alone; the phase ends when it refuses, or when
    the run's patience is over.
    """
    ended = BuildEnd(
        status=BuildStatus.FAILED,
        exit_status=None,
        summary=error.message,
        ended_by=EndedBy.PROVIDER,
        http_status=error.http_status,
        evidence=error.message,
    )
    cause = provider_failure(ended, calls=0, has_provider=True) or FailureCause.PROVIDER_ERROR
    if not POLICIES[cause].waits:
        return fail(session, phase_id, cause, refusal(error.message, error.http_status))
    at = session.clock.monotonic()
    session.outage = outages.failed(
        session.outage, at, seed=session.run_id, retry_after=error.retry_after
    )
    lasted = session.outage.lasted(at)
    if lasted >= session.seconds_left():
        return fail(session, phase_id, cause, give_up_waiting(lasted, error.message).reason)
    return Decision(
        DecisionKind.DEFER,
        f"the provider is in trouble: {session.redactor.text(error.message)}",
        seconds=session.outage.pause(at),
        idle=True,
    )


def _carried(session: RunSession, report: Mapping[str, Any]) -> dict[str, str]:
    """Return the bytes that another machine needs to check the report: all but the repository's."""
    cited = [one for one in report["evidence"] if one["source_sha256"]]
    names = {one["source_sha256"] for one in cited if not one["locator"].startswith("git:")}
    return EmbeddedBytes.of(kept_bytes(session), names).as_json()


def _spent(session: RunSession, phase_id: str) -> dict[str, Any]:
    """Return what the phase's calls used, by what for; the cost is None while one is unknown."""
    table = tables.llm_usage_events
    query = sa.select(table.c.category, table.c.total_tokens, table.c.cost).where(
        table.c.run_id == session.run_id,
        table.c.phase_id == phase_id,
        table.c.role == "research",
    )
    lost = tables.llm_call_intents
    unknown = (
        sa.select(sa.func.count())
        .select_from(lost)
        .where(
            lost.c.run_id == session.run_id,
            lost.c.phase_id == phase_id,
            lost.c.role == "research",
            lost.c.closed_at.is_(None),
        )
    )
    with reading(session.db) as conn:
        rows = conn.execute(query).all()
        unreconciled = int(conn.scalar(unknown) or 0)
    costs = [row.cost for row in rows]
    is_known = not unreconciled and None not in costs
    return {
        "total": sum(row.total_tokens for row in rows),
        "by_category": {
            name: sum(row.total_tokens for row in rows if row.category == name)
            for name in CATEGORIES
        },
        "calls": len(rows),
        "unreconciled_calls": unreconciled,
        "cost": float(sum(costs, Decimal(0))) if is_known else None,
    }
