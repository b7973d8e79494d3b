"""A run as spans: the run, its phases, their attempts, and the model calls of these.

They are made of stored facts alone, and so are their ids: made again, they are the same. No text
of a prompt, an answer or a program's output is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.ledger.events.usage_events import token_totals
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.store import tables
from autopack.store.database.engine import reading
from autopack.store.intents import digest
from autopack.store.reading import Source, get_attempts, get_phases, get_run
from autopack.store.rows import AttemptRow, PhaseRow, RunRow

CONVENTIONS = "1.41.1"
"""The version of OpenTelemetry's semantic conventions that the names ``gen_ai.*`` are from."""

_PROVIDERS = {"google": "gcp.gemini", "bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}
"""Providers that the conventions call otherwise than the ledger."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span; ids are hexadecimal, ``error`` is the kind of failure or None."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime
    error: str | None = None
    is_call: bool = False
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


def run_spans(source: Source, run_id: str) -> list[Span]:
    """Return the spans of a run, each after its parent. Raises NotFound.

    What has not ended, ends with the run, or, while that is under way, where it started.
    """
    with reading(source) as conn:
        run = get_run(conn, run_id)
        phases, attempts = get_phases(conn, run_id), get_attempts(conn, run_id)
        of_run = _of_run(run, conn)
        calls = conn.execute(_calls(run_id)).mappings().all()
    made = _Made(run, of_run)
    spans = [of_run]
    spans += [made.phase(phase) for phase in phases if phase.started_at is not None]
    spans += [made.attempt(attempt) for attempt in attempts]
    parents = {span.span_id for span in spans}
    return spans + [made.call(call, parents) for call in calls]


def changed_since(spans: Iterable[Span], until: datetime | None) -> list[Span]:
    """Return those that ended after ``until``, and all of them for None."""
    return [span for span in spans if until is None or span.ended_at > until]


def _calls(run_id: str) -> sa.Select[Any]:
    table = tables.llm_usage_events
    return (
        sa.select(table)
        .where(table.c.run_id == run_id)
        .order_by(table.c.created_at, table.c.event_key)
    )


def _trace_of(run: RunRow) -> str:
    # Names of runs are the user's, and come again in other databases.
    return digest("trace", run.run_id, run.created_at.isoformat())[:32]


def _span_id(trace_id: str, *parts: str | int) -> str:
    return digest(trace_id, *parts)[:16]


def _told(**attributes: Any) -> dict[str, Any]:
    """Return the attributes that are known: what is unknown is not said."""
    return {
        name.replace("__", "."): value for name, value in attributes.items() if value is not None
    }


def _of_run(run: RunRow, conn: sa.Connection) -> Span:
    trace_id, totals = _trace_of(run), token_totals(conn, run.run_id)
    started = run.started_at or run.created_at
    return Span(
        trace_id=trace_id,
        span_id=_span_id(trace_id, "run"),
        parent_id=None,
        name="invoke_workflow autopack",
        started_at=started,
        ended_at=run.finished_at or started,
        error=None if run.state is RunState.DONE_SUCCESS else run.state.value,
        attributes={
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": "autopack",
            "autopack.run_id": run.run_id,
            "autopack.state": run.state.value,
            "autopack.builder": run.builder,
            "autopack.features": list(run.features),
        }
        | _told(
            autopack__campaign_id=run.campaign_id,
            autopack__run_tokens=totals.told,
            autopack__run_cost_usd=None if totals.cost is None else float(totals.cost),
        ),
    )


class _Made:
    """Makes the spans below that of a run."""

    def __init__(self, run: RunRow, of_run: Span) -> None:
        self._run, self._of_run, self._trace = run, of_run, of_run.trace_id

    def phase(self, phase: PhaseRow) -> Span:
        started = phase.started_at or self._of_run.started_at
        failed = phase.state not in (PhaseState.COMPLETE, PhaseState.SKIPPED)
        return Span(
            trace_id=self._trace,
            span_id=_span_id(self._trace, "phase", phase.phase_id),
            parent_id=self._of_run.span_id,
            name="phase",
            started_at=started,
            ended_at=self._end(phase.finished_at, started),
            error=(phase.failure_cause or phase.state.value) if failed else None,
            attributes={
                "autopack.run_id": phase.run_id,
                "autopack.phase_id": phase.phase_id,
                "autopack.tier": phase.tier,
                "autopack.state": phase.state.value,
            },
        )

    def attempt(self, attempt: AttemptRow) -> Span:
        failed = attempt.state is not AttemptState.PASSED
        return Span(
            trace_id=self._trace,
            span_id=self._attempt_id(attempt.phase_id, attempt.attempt),
            parent_id=_span_id(self._trace, "phase", attempt.phase_id),
            name=f"invoke_agent {attempt.builder}",
            started_at=attempt.started_at,
            ended_at=self._end(attempt.finished_at, attempt.started_at),
            error=(attempt.failure_cause or attempt.state.value) if failed else None,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": attempt.builder,
                "autopack.run_id": attempt.run_id,
                "autopack.phase_id": attempt.phase_id,
                "autopack.attempt": attempt.attempt,
                "autopack.state": attempt.state.value,
            }
            | _told(gen_ai__request__model=attempt.model or self._run.model),
        )

    def call(self, call: sa.RowMapping, parents: set[str]) -> Span:
        """Return a call: of its time only that it was made is known, so that it takes none."""
        above = (
            self._attempt_id(call["phase_id"], call["attempt"]),
            _span_id(self._trace, "phase", call["phase_id"]),
        )
        return Span(
            trace_id=self._trace,
            span_id=_span_id(self._trace, "call", call["event_key"]),
            parent_id=next((one for one in above if one in parents), self._of_run.span_id),
            name=f"chat {call['model']}",
            started_at=call["created_at"],
            ended_at=call["created_at"],
            is_call=True,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": _PROVIDERS.get(call["provider"], call["provider"]),
                "gen_ai.response.model": call["model"],
                "autopack.run_id": call["run_id"],
                "autopack.phase_id": call["phase_id"],
                "autopack.attempt": call["attempt"],
                "autopack.role": call["role"],
                "autopack.category": call["category"],
                "autopack.tokens": call["total_tokens"],
                "autopack.exactness": call["exactness"],
                "autopack.simulated": call["simulated"],
            }
            | _told(
                gen_ai__response__id=call["response_id"],
                # By the conventions the input includes what the provider's cache had or took.
                gen_ai__usage__input_tokens=_sum(
                    [call[f"{part}_tokens"] for part in ("input", "cache_read", "cache_write")]
                ),
                gen_ai__usage__cache_read__input_tokens=call["cache_read_tokens"],
                gen_ai__usage__cache_creation__input_tokens=call["cache_write_tokens"],
                gen_ai__usage__output_tokens=call["output_tokens"],
                gen_ai__usage__reasoning__output_tokens=call["reasoning_tokens"],
                autopack__cost_usd=None if call["cost"] is None else float(call["cost"]),
            ),
        )

    def _attempt_id(self, phase_id: str, attempt: int) -> str:
        return _span_id(self._trace, "attempt", phase_id, attempt)

    def _end(self, finished_at: datetime | None, started: datetime) -> datetime:
        return finished_at or max(self._run.finished_at or started, started)


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
