"""Watching what a build spends: its reservation grows while there is room, then it is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from autopack.budget import Amounts, grown, passed, room
from autopack.builders.protocol import (
    Builder,
    BuildResult,
    BuildStatus,
    EndedBy,
    ModelCall,
)
from autopack.execution.session import RunSession
from autopack.plan.model import PhaseSpec
from autopack.store import budgets
from autopack.telemetry.prices import price_of

LOOK_SECONDS = 1.0


class Allowance:
    """What one build may spend, kept in the database so that every process sees it."""

    def __init__(self, session: RunSession, phase: PhaseSpec, attempt: int) -> None:
        self._session, self._phase, self._attempt = session, phase, attempt
        held = budgets.get_reservation(session.db, session.run_id, phase.id, attempt)
        if held is None:
            raise AssertionError(f"attempt {attempt} of {phase.id} has no reservation")
        self.held = held

    def may_go_on(self, calls: Sequence[ModelCall]) -> str | None:
        """Why a build that made ``calls`` may make no further one; None while it may."""
        spent = amount_of(calls)
        if passed(self.held, spent) is None:
            return None
        larger = self._session.db.transact(lambda conn: self._grow(conn, spent))
        if larger:
            return None
        return f"it spent {spent.tokens:,} tokens, and its budget has no room for another call"

    def _grow(self, conn: Connection, spent: Amounts) -> bool:
        session, phase = self._session, self._phase
        budgets.lock_campaign(conn, session.run_id)
        free = room(session.levels(conn, phase))
        larger = grown(self.held, spent, free)
        if larger is None:
            return False
        budgets.change(conn, session.run_id, phase.id, self._attempt, larger)
        self.held = larger
        return True


def amount_of(calls: Sequence[ModelCall]) -> Amounts:
    """The tokens of ``calls``, and the money of those whose price is known."""
    prices = [price_of(call) for call in calls]
    cost = sum((price.cost for price in prices if price is not None), Decimal(0))
    return Amounts(sum(call.total for call in calls), cost)


async def within(
    allowance: Allowance, builder: Builder, spool: Path, build: Coroutine[Any, Any, BuildResult]
) -> BuildResult:
    """Await ``build``, and end it once its spool tells of more than it may spend.

    What it left is committed and judged like any other: the work may be done.
    """
    work = asyncio.ensure_future(build)
    try:
        while True:
            done, _ = await asyncio.wait({work}, timeout=LOOK_SECONDS)
            if done:
                return work.result()
            reason = await asyncio.to_thread(_look, allowance, builder, spool)
            if reason is not None and not work.done():
                work.cancel()
                await asyncio.wait({work})
                return BuildResult(
                    BuildStatus.FAILED, None, f"ended: {reason}", ended_by=EndedBy.AUTOPACK
                )
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})


def _look(allowance: Allowance, builder: Builder, spool: Path) -> str | None:
    return allowance.may_go_on(builder.calls(spool))
