"""Watching what a build spends: its reservation grows while there is room, then it is ended.

The builder's spool is looked at whenever something was written to it, so that a build is ended
with the call that passes its budget, or the one after. Time is looked at all the while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from autopack.agents.bounds import sizes
from autopack.agents.protocol import (
    Builder,
    BuildResult,
    BuildStatus,
    EndedBy,
)
from autopack.ledger.budget import reservations
from autopack.model.budget import (
    NO_PRICE,
    Amounts,
    Exhausted,
    Level,
    Reservation,
    Scope,
    first_exhausted,
    grown,
    longer,
    passed,
    room,
)
from autopack.model.calls import (
    ModelCall,
)
from autopack.model.errors import DatabaseRefused
from autopack.model.ids import AttemptKey
from autopack.model.prices import is_priced, price_of
from autopack.plan.plan import PhaseSpec
from autopack.runs.attempt.orders import LOOK_SECONDS as ORDERS_SECONDS
from autopack.runs.attempt.orders import check_not_interrupted
from autopack.runs.session.session import RunSession

LOOK_SECONDS = 0.02
"""How often is looked whether something was written. Reading it takes its time: no more than a
tenth of all time is spent on that, as long as the pauses need not be longer than half a second,
nor a call or two may be the last."""
_SHARE = 9
_LONGEST_PAUSE = 0.5


class Allowance:
    """What one build may spend, kept in the database so that every process sees it."""

    def __init__(self, session: RunSession, phase: PhaseSpec, key: AttemptKey) -> None:
        self._session, self._phase, self._key = session, phase, key
        granted = session.granted[key]
        self.held = held = granted.held
        self._caps = granted.caps
        self._accepts_unpriced = granted.accepts_unpriced
        self._shares_minutes = granted.shares_minutes
        left = session.seconds_left(phase) / 60
        self.most_minutes = left if self._shares_minutes else min(left, held.minutes)
        is_priced("", "")  # loads the price list, which takes longer than a look may
        self._began = session.clock.monotonic()
        self._is_close = False

    @property
    def is_close(self) -> bool:
        """Whether two calls as large as the largest so far would pass what is held."""
        return self._is_close

    def refuse_call(self, calls: Sequence[ModelCall]) -> str | None:
        """Return why a build that made ``calls`` may make no further one; None while it may."""
        spent = amount_of(calls)
        nearly = _after_two_more(spent, calls)
        self._is_close = passed(self.held, nearly) is not None
        if self.held.cost is not None and spent.unpriced and not self._accepts_unpriced:
            models = sorted({call.model for call in calls if price_of(call) is None})
            names = ", ".join(model or "a model without a name" for model in models)
            return f"its budget caps money, and calls of {names} have {NO_PRICE}"
        if passed(self.held, spent) is None:
            return None
        if self._change(lambda held, levels: grown(held, spent, room(levels))):
            return None
        return f"it spent {spent.tokens:,} tokens, and its budget has no room for another call"

    def lowered(self, calls: Callable[[], Sequence[ModelCall]]) -> Exhausted | None:
        """Return the cap that a build, which made ``calls``, has passed since it was lowered.

        Raises BuildPaused when a pause interrupts the build.
        """
        session = self._session
        check_not_interrupted(session)
        try:
            levels = session.levels(session.db, self._phase)
        except DatabaseRefused:
            return None
        if self._caps == (caps := tuple(level.limits for level in levels)):
            return None
        spent = amount_of(calls())
        full = first_exhausted(
            replace(
                level,
                spent=replace(
                    level.spent,
                    tokens=level.spent.tokens + spent.tokens,
                    cost=level.spent.cost + spent.cost,
                ),
            )
            for level in levels
        )
        if full is None:
            self._caps = caps
        return full

    def most_cost(self) -> Decimal | None:
        """Return what the build may come to if no other takes it before; None without a cap."""
        if self.held.cost is None:
            return None
        left = room(self._session.levels(self._session.db, self._phase)).cost
        return self.held.cost + (left or Decimal(0))

    def is_out_of_time(self) -> bool:
        """Return whether its share of the time is over; looks at the database only when it seems
        so.
        """
        used = (self._session.clock.monotonic() - self._began) / 60
        return self._shares_minutes and used >= self.held.minutes

    def may_take_longer(self) -> str | None:
        """Return why a build whose share of the time is over has to end; None when it gets more."""
        used = (self._session.clock.monotonic() - self._began) / 60
        most = self.most_minutes
        if self._change(lambda held, levels: longer(held, used, room(levels), most)):
            return None
        return f"ran out of time after {used * 60:.0f} s: other runs hold the minutes that are left"

    def _change(self, larger: Callable[[Reservation, list[Level]], Reservation | None]) -> bool:
        def write(conn: Connection) -> Reservation | None:
            session, phase = self._session, self._phase
            reservations.lock(conn, session.lease)
            wanted = larger(self.held, session.levels(conn, phase))
            if wanted is not None:
                reservations.change(conn, self._key, wanted)
            return wanted

        changed = self._session.transact(write, ())
        if changed is not None:
            self.held = changed
        return changed is not None


def shares_minutes(levels: Sequence[Level]) -> bool:
    """Return whether the run's time is capped together with that of other runs."""
    return any(level.scope is Scope.CAMPAIGN and level.limits.minutes for level in levels)


def amount_of(calls: Sequence[ModelCall]) -> Amounts:
    """Return the tokens of ``calls``, the money of those whose price is known, and how many have
    none.
    """
    prices = [price_of(call) for call in calls]
    cost = sum((price.cost for price in prices if price is not None), Decimal(0))
    tokens = sum(call.total for call in calls)
    return Amounts(tokens, cost, unpriced=prices.count(None), calls=len(calls))


def _after_two_more(spent: Amounts, calls: Sequence[ModelCall]) -> Amounts:
    """Return what a build will have spent after two more calls, as large as the largest so far."""
    largest = [amount_of([call]) for call in calls]
    tokens = max((one.tokens for one in largest), default=0)
    cost = max((one.cost for one in largest), default=Decimal(0))
    return replace(spent, tokens=spent.tokens + 2 * tokens, cost=spent.cost + 2 * cost)


async def within(
    allowance: Allowance, builder: Builder, spool: Path, build: Coroutine[Any, Any, BuildResult]
) -> BuildResult:
    """Await ``build``, and end it once its spool tells of more than it may spend.

    What it left is committed and judged like any other: the work may be done. Raises BuildPaused
    where a pause interrupts it.
    """
    work = asyncio.ensure_future(build)
    clock = asyncio.get_running_loop().time
    seen, pause = sizes(builder.tells_in(spool)), LOOK_SECONDS
    asked = clock()
    try:
        while True:
            done, _ = await asyncio.wait({work}, timeout=pause)
            if done:
                return work.result()
            began, reason, status = clock(), None, BuildStatus.FAILED
            if (written := sizes(builder.tells_in(spool))) != seen:
                seen = written
                reason = await asyncio.to_thread(_look, allowance, builder, spool)
                reason = reason and f"ended: {reason}"
            if reason is None and allowance.is_out_of_time():
                reason = await asyncio.to_thread(allowance.may_take_longer)
                status = BuildStatus.TIMED_OUT
            if reason is None and clock() >= asked + ORDERS_SECONDS:
                full = await asyncio.to_thread(_lowered, allowance, builder, spool)
                reason, asked = full and f"ended: a cap was lowered: {full}", clock()
            share = 0.0 if allowance.is_close else _SHARE * (clock() - began)
            pause = min(max(LOOK_SECONDS, share), _LONGEST_PAUSE)
            if reason is not None and not work.done():
                work.cancel()
                await asyncio.wait({work})
                return BuildResult(status, None, reason, ended_by=EndedBy.AUTOPACK)
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})


def _lowered(allowance: Allowance, builder: Builder, spool: Path) -> str | None:
    full = allowance.lowered(lambda: builder.calls(spool))
    return None if full is None else str(full)


def _look(allowance: Allowance, builder: Builder, spool: Path) -> str | None:
    return allowance.refuse_call(builder.calls(spool))
