"""Reads runs and what belongs to them; from a database, or inside a caller's transaction."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.clock import in_utc
from autopack.model.errors import BadInput, NotFound
from autopack.model.pages import DEFAULT_LIMIT, check_limit
from autopack.model.states import AttemptState, RunState
from autopack.store import tables
from autopack.store.database.engine import Database, reading
from autopack.store.keys import named_phase, named_run, phase_named, run_named
from autopack.store.rows import AttemptRow, DecisionRow, Page, PhaseRow, RunRow

Source = Database | sa.Connection

_RUN = sa.select(tables.runs).where(named_run(tables.runs))
_PHASES = sa.select(tables.phases).where(named_run(tables.phases)).order_by(tables.phases.c.ordinal)
_ATTEMPTS = (
    sa.select(tables.attempts)
    .join(tables.phases)
    .where(named_run(tables.attempts))
    .order_by(tables.phases.c.ordinal, tables.attempts.c.attempt)
)
_ATTEMPTS_OF_PHASE = _ATTEMPTS.where(named_phase(tables.attempts))
_DECISIONS = (
    sa.select(tables.decisions).where(named_run(tables.decisions)).order_by(tables.decisions.c.id)
)
REOPEN = "reopen"
"""The kind of the decision by which a run continues that had ended."""
_OF_RUN = tables.decisions.c.run_state.is_not(None) | (tables.decisions.c.kind == REOPEN)
_TELLING_OF_RUN = _DECISIONS.where(_OF_RUN)
_TELLING = _DECISIONS.where(_OF_RUN | named_phase(tables.decisions))
_LAST_REASON = (
    sa.select(tables.decisions.c.reason)
    .where(named_run(tables.decisions), tables.decisions.c.kind == sa.bindparam("of_kind"))
    .order_by(tables.decisions.c.id.desc())
    .limit(1)
)

_ROWS = 2**31  # what an INTEGER of PostgreSQL holds
_MOST_DIGITS = 10


def get_run(source: Source, run_id: str) -> RunRow:
    """Return the run. Raises NotFound."""
    run = find_run(source, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id!r}", field="run_id", hint="autopack runs")
    return run


def find_run(source: Source, run_id: str) -> RunRow | None:
    """Return the run, None when there is none."""
    with reading(source) as conn:
        row = conn.execute(_RUN, run_named(run_id)).mappings().first()
    return None if row is None else RunRow.of(row)


def states_of(source: Source, run_ids: Sequence[str]) -> dict[str, RunState]:
    """Return the state of each of these runs that is stored."""
    runs = tables.runs
    wanted = sa.select(runs.c.run_id, runs.c.state).where(runs.c.run_id.in_(run_ids))
    with reading(source) as conn:
        return {row.run_id: row.state for row in conn.execute(wanted)}


def get_plan_body(source: Source, plan_hash: str) -> dict[str, Any]:
    """Return the plan as it was stored. Raises NotFound."""
    query = sa.select(tables.plans.c.body).where(tables.plans.c.plan_hash == plan_hash)
    with reading(source) as conn:
        row = conn.execute(query).first()
    if row is None:
        raise NotFound(f"there is no plan {plan_hash!r}", field="plan_hash")
    return row.body


def get_phases(source: Source, run_id: str) -> list[PhaseRow]:
    """Return the run's phases in the plan's order; none for an unknown run."""
    with reading(source) as conn:
        rows = conn.execute(_PHASES, run_named(run_id)).mappings()
        return [PhaseRow.of(row) for row in rows]


def uncounted_attempts(source: Source, home: str, run_id: str | None = None) -> list[AttemptRow]:
    """Interrupted attempts of a home, of one run or all, whose builder's spend nobody recorded."""
    table, intents = tables.attempts, tables.llm_call_intents
    query = (
        sa.select(table)
        .join(
            intents,
            sa.and_(
                intents.c.run_id == table.c.run_id,
                intents.c.phase_id == table.c.phase_id,
                intents.c.attempt == table.c.attempt,
            ),
        )
        .where(
            intents.c.closed_at.is_(None),
            intents.c.told.is_(None),
            intents.c.role == "builder",
            table.c.state == AttemptState.INTERRUPTED,
            table.c.home == home,
        )
        .order_by(table.c.started_at)
    )
    if run_id is not None:
        query = query.where(table.c.run_id == run_id)
    with reading(source) as conn:
        return [AttemptRow.of(row) for row in conn.execute(query).mappings()]


def get_attempts(source: Source, run_id: str, phase_id: str | None = None) -> list[AttemptRow]:
    """Return the attempts of a run, or of one of its phases: by phase in the plan's order, by
    number.
    """
    with reading(source) as conn:
        rows = (
            conn.execute(_ATTEMPTS, run_named(run_id))
            if phase_id is None
            else conn.execute(_ATTEMPTS_OF_PHASE, phase_named(run_id, phase_id))
        )
        return [AttemptRow.of(row) for row in rows.mappings()]


def get_decisions(source: Source, run_id: str) -> list[DecisionRow]:
    """The run's decisions in the order they were recorded."""
    with reading(source) as conn:
        rows = conn.execute(_DECISIONS, run_named(run_id)).mappings()
        return [DecisionRow.of(row) for row in rows]


def last_reason(source: Source, run_id: str, kind: str) -> str | None:
    """Return the reason of the run's last decision of a kind; None where there is none."""
    with reading(source) as conn:
        return conn.scalar(_LAST_REASON, {**run_named(run_id), "of_kind": kind})


def telling_decisions(source: Source, run_id: str, phase_id: str | None) -> list[DecisionRow]:
    """The decisions about one phase, and those about any that end the run or let it continue."""
    with reading(source) as conn:
        rows = (
            conn.execute(_TELLING_OF_RUN, run_named(run_id))
            if phase_id is None
            else conn.execute(_TELLING, phase_named(run_id, phase_id))
        )
        return [DecisionRow.of(row) for row in rows.mappings()]


def get_ending(source: Source, run_id: str) -> tuple[RunState, str] | None:
    """Return the state in which a decision to stop ends the run, and why; None without one."""
    return ending_of(get_decisions(source, run_id))


def ending_of(decisions: Sequence[DecisionRow]) -> tuple[RunState, str] | None:
    """Return the same, from the run's decisions in their order."""
    last = next((one for one in reversed(decisions) if one.run_state or _reopens(one)), None)
    if last is None or last.run_state is None:
        return None
    return last.run_state, f"{last.phase_id}: {last.reason}"


def _reopens(decision: DecisionRow) -> bool:
    return decision.kind == REOPEN


def run_of_flow(source: Source, flow_run_id: str) -> RunRow | None:
    """Return the run that a flow run works on, or worked on before it was retried."""
    query = sa.select(tables.runs).where(tables.runs.c.flow_run_id == flow_run_id)
    with reading(source) as conn:
        row = conn.execute(query).mappings().first()
    return None if row is None else RunRow.of(row)


@dataclass(frozen=True)
class Chosen:
    """Which runs are listed: of a repository, of a campaign, stored from a moment on."""

    repo: str | None = None
    campaign: str | None = None
    since: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return what holds for the rows of these runs."""
        table, found = tables.runs, list[sa.ColumnElement[bool]]()
        if self.repo is not None:
            found.append(table.c.repo == self.repo)
        if self.campaign is not None:
            found.append(table.c.campaign_id == self.campaign)
        if self.since is not None:
            found.append(table.c.created_at >= self.since)
        return found


def list_runs(
    source: Source,
    *,
    state: str | None = None,
    chosen: Chosen | None = None,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
) -> Page:
    """Runs, newest first; ``state`` is a run state or ``FAILED`` for any DONE_FAILED_*.

    ``chosen`` leaves only some. ``after`` is the cursor of the page before. Raises BadInput naming
    ``state``, ``limit`` or ``after``.
    """
    check_limit(limit)
    table = tables.runs
    query = sa.select(table).order_by(table.c.created_at.desc(), table.c.run_id.desc())
    if state is not None:
        query = query.where(table.c.state.in_(states_named(state)))
    if chosen is not None:
        query = query.where(*chosen.conditions())
    if after is not None:
        at, run_id = decode_cursor(after)
        key = sa.tuple_(table.c.created_at, table.c.run_id)
        last = sa.tuple_(
            sa.literal(at, tables.UtcDateTime), sa.literal(run_id, table.c.run_id.type)
        )
        query = query.where(key < last)
    with reading(source) as conn:
        # One more than asked for tells whether there is a next page.
        rows = [RunRow.of(row) for row in conn.execute(query.limit(limit + 1)).mappings()]
    page = tuple(rows[:limit])
    return Page(
        page, encode_cursor(page[-1].created_at, page[-1].run_id) if len(rows) > limit else None
    )


def states_named(name: str) -> list[RunState]:
    """Return a run state, or every failed one for FAILED. Raises BadInput naming ``state``."""
    if name == "FAILED":
        return [state for state in RunState if state.is_failure]
    if name in RunState.__members__:
        return [RunState[name]]
    raise BadInput(
        f"unknown run state: {name!r}",
        field="state",
        hint=f"use FAILED or one of {', '.join(RunState)}",
    )


def row_number(text: str | int, field: str, *, hint: str) -> int:
    """Return the number of a row that a text is. Raises BadInput naming ``field``."""
    digits = str(text)
    if digits.isascii() and digits.isdigit() and len(digits.lstrip("0")) <= _MOST_DIGITS:
        number = int(digits.lstrip("0") or "0")
        if 0 < number < _ROWS:
            return number
    raise BadInput(f"invalid {field}: {text!r}", field=field, hint=hint)


def encode_cursor(at: datetime, name: str) -> str:
    """Return the cursor after the row of this name and time."""
    text = f"{at.isoformat()} {name}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the time and the name of the row before. Raises BadInput naming ``after``."""
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        at, _, run_id = text.partition(" ")
        decoded = datetime.fromisoformat(at)
        if not run_id or decoded.tzinfo is None:
            raise ValueError(cursor)
        return in_utc(decoded), run_id
    except (ValueError, binascii.Error) as error:
        raise BadInput(
            f"invalid cursor: {cursor!r}",
            field="after",
            hint="use `next_cursor` of the page before",
        ) from error
