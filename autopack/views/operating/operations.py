"""What an operator sees first: runs that need somebody, runs at work, runs that ended.

A few queries, however many runs there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import sqlalchemy as sa

from autopack.model.states import AttemptState, RunState
from autopack.store.approvals import Approval
from autopack.store.database.engine import Database, now
from autopack.store.rows import RunRow
from autopack.store.tables import approvals, attempts, runs
from autopack.store.tables.rollups import usage_by_run
from autopack.views.fleet_standing import Standing, standings

MOST_OPEN = 200
MOST_ENDED = 25
LOOK_BACK = timedelta(days=7)
"""A failed run that nobody has retried or replayed needs somebody for so long."""

_OPEN = (RunState.PHASE_EXECUTION, RunState.AWAITING_APPROVAL, RunState.RUN_CREATED)


class Need(StrEnum):
    """Why a run needs somebody, the most urgent first."""

    ANSWER = "waits for an answer"
    CRASHED = "crashed"
    REVIEW = "needs review"
    OVER_BUDGET = "over budget"
    FAILED = "failed"


class Known(StrEnum):
    """How a figure is known."""

    MEASURED = "measured"
    AT_LEAST = "measured in part"
    MODELLED = "modelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An amount, how it is known, and the cap on it; ``amount`` is None when it is unknown."""

    amount: float | None
    known: Known
    cap: float | None

    @property
    def is_near_cap(self) -> bool:
        """Whether nine tenths of the cap are used up."""
        return self.cap is not None and self.amount is not None and self.amount >= 0.9 * self.cap


@dataclass(frozen=True, kw_only=True)
class OpenAttempt:
    """The attempt that is under way."""

    number: int
    state: AttemptState
    started_at: datetime


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """One run as it stands. ``elapsed`` is in seconds from its start to its end, or to now."""

    run: RunRow
    standing: Standing
    need: Need | None
    question: Approval | None
    attempt: OpenAttempt | None
    tokens: Figure
    cost: Figure
    elapsed: float | None


@dataclass(frozen=True, kw_only=True)
class Operations:
    """The runs in the order in which they are read, at one moment.

    ``more_open`` are open runs that are not listed.
    """

    at: datetime
    needing: tuple[RunCard, ...]
    working: tuple[RunCard, ...]
    queued: tuple[RunCard, ...]
    ended: tuple[RunCard, ...]
    more_open: int


def operations(db: Database) -> Operations:
    """Return how things stand now, from one snapshot."""
    with db.read() as conn:
        at = now(conn)
        cards = run_cards(conn, _chosen(conn, at), at)
        all_open = conn.scalar(sa.select(sa.func.count()).where(runs.c.state.in_(_OPEN))) or 0
    needing = sorted(
        (card for card in cards if card.need is not None),
        key=lambda card: (list(Need).index(card.need or Need.FAILED), card.run.created_at),
    )
    calm = [card for card in cards if card.need is None]
    ended = [card for card in calm if card.run.state.is_final]
    queued = [card for card in calm if card.run.state is RunState.RUN_CREATED]
    # One whose question was answered resumes any moment.
    working = [card for card in calm if card not in ended and card not in queued]
    listed = sum(not card.run.state.is_final for card in cards)
    return Operations(
        at=at,
        needing=tuple(needing),
        working=tuple(working),
        queued=tuple(queued),
        ended=tuple(ended[:MOST_ENDED]),
        more_open=all_open - listed,
    )


def run_cards(conn: sa.Connection, chosen: Sequence[RunRow], at: datetime) -> list[RunCard]:
    """Return the cards of some runs, in their order."""
    ids = [run.run_id for run in chosen]
    stand = {one.run_id: one for one in standings(conn, ids)}
    questions = _questions(conn, ids)
    under_way = _under_way(conn, ids)
    simulated = _simulated(conn, ids)
    followed = _followed(conn, ids)
    cards: list[RunCard] = []
    for run in chosen:
        standing, question = stand[run.run_id], questions.get(run.run_id)
        need = _need(run, standing, question, at, run.run_id in followed)
        is_simulated = run.run_id in simulated
        tokens = standing.tokens
        cards.append(
            RunCard(
                run=run,
                standing=standing,
                need=need,
                question=question,
                attempt=under_way.get(run.run_id),
                tokens=figure_of(
                    tokens, run.token_cap, standing.unknown_builds, is_simulated=is_simulated
                ),
                # Providers bill later; until then money is counted tokens times list prices.
                cost=cost_figure(standing.cost, run.cost_cap),
                elapsed=_elapsed(run, at),
            )
        )
    return cards


def figure_of(
    tokens: int | None, cap: int | None, unknown_builds: int, *, is_simulated: bool
) -> Figure:
    """Return a count of tokens and how it is known: a simulation's are modelled."""
    if tokens is None:
        known = Known.UNKNOWN
    elif unknown_builds:
        known = Known.AT_LEAST
    else:
        known = Known.MODELLED if is_simulated else Known.MEASURED
    return Figure(amount=tokens, known=known, cap=cap)


def cost_figure(cost: Decimal | None, cap: Decimal | None) -> Figure:
    """Return US dollars by list prices, and how they are known."""
    return Figure(
        amount=None if cost is None else float(cost),
        known=Known.UNKNOWN if cost is None else Known.MODELLED,
        cap=None if cap is None else float(cap),
    )


def _chosen(conn: sa.Connection, at: datetime) -> list[RunRow]:
    """Return the open runs, recent failures, and what ended last, the newest first."""
    newest = (runs.c.created_at.desc(), runs.c.run_id.desc())
    # Runs that wait or work must not be crowded out by those that have not begun.
    begun = sa.case((runs.c.state == RunState.RUN_CREATED, 1), else_=0)
    unfinished = (
        sa.select(runs).where(runs.c.state.in_(_OPEN)).order_by(begun, *newest).limit(MOST_OPEN)
    )
    failures = [state for state in RunState if state.is_failure]
    recent = sa.and_(runs.c.state.in_(failures), runs.c.finished_at > at - LOOK_BACK)
    failed = sa.select(runs).where(recent).order_by(*newest).limit(MOST_OPEN)
    last = (
        sa.select(runs)
        .where(runs.c.finished_at.is_not(None))
        .order_by(runs.c.finished_at.desc(), runs.c.run_id.desc())
        .limit(2 * MOST_ENDED)
    )
    found: dict[str, RunRow] = {}
    for query in (unfinished, failed, last):
        for row in conn.execute(query).mappings():
            found.setdefault(row["run_id"], RunRow.of(row))
    return sorted(
        found.values(), key=lambda run: (run.finished_at or at, run.created_at), reverse=True
    )


def _need(
    run: RunRow, standing: Standing, question: Approval | None, at: datetime, is_followed: bool
) -> Need | None:
    if run.state is RunState.AWAITING_APPROVAL:
        return Need.ANSWER if question is not None else None
    if run.state is RunState.PHASE_EXECUTION:
        return Need.CRASHED if standing.silent_since or standing.interrupted else None
    if not run.state.is_failure or is_followed or run.campaign_id is not None:
        return None
    if run.finished_at is None or run.finished_at <= at - LOOK_BACK:
        return None
    return {
        RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW: Need.REVIEW,
        RunState.DONE_FAILED_BUDGET_EXHAUSTED: Need.OVER_BUDGET,
    }.get(run.state, Need.FAILED)


def _elapsed(run: RunRow, at: datetime) -> float | None:
    if run.started_at is None:
        return None
    return ((run.finished_at or at) - run.started_at).total_seconds()


def _questions(conn: sa.Connection, ids: Sequence[str]) -> dict[str, Approval]:
    open_ones = sa.select(approvals).where(
        approvals.c.run_id.in_(ids), approvals.c.answered_at.is_(None)
    )
    return {row["run_id"]: Approval.of(row) for row in conn.execute(open_ones).mappings()}


def _under_way(conn: sa.Connection, ids: Sequence[str]) -> dict[str, OpenAttempt]:
    query = (
        sa.select(attempts.c.run_id, attempts.c.attempt, attempts.c.state, attempts.c.started_at)
        .where(
            attempts.c.run_id.in_(ids),
            attempts.c.state.in_([state for state in AttemptState if state.is_open]),
        )
        .order_by(attempts.c.started_at)
    )
    return {
        run_id: OpenAttempt(number=number, state=AttemptState(state), started_at=started_at)
        for run_id, number, state, started_at in conn.execute(query)
    }


def _simulated(conn: sa.Connection, ids: Sequence[str]) -> set[str]:
    query = sa.select(usage_by_run.c.run_id).where(
        usage_by_run.c.run_id.in_(ids), usage_by_run.c.simulated.is_(True)
    )
    return {run_id for (run_id,) in conn.execute(query.distinct())}


def _followed(conn: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Return the runs that somebody has retried or replayed since."""
    found: set[str] = set()
    for column in (runs.c.retry_of, runs.c.replay_of):
        found.update(conn.scalars(sa.select(column).where(column.in_(ids)).distinct()))
    return found
