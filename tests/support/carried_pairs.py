"""Pairs of an experiment carried out without an engine, which takes a third of the time."""

from __future__ import annotations

from autopack.clock import SystemClock
from autopack.experiments.concluding import judge
from autopack.experiments.design.layout import ARM_NAMES
from autopack.experiments.design.registration import Registered
from autopack.runs.finish.finish import finish
from autopack.runs.next_phase import ending
from autopack.runs.prepare.prepare import prepare_run
from autopack.runs.session.opening import close_session, open_session
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.experiment_records import PairRow, finish_pair, start_pair
from autopack.store.reading import get_ending, get_phases
from support.runs import carry_out


async def carry_out_pair(
    registered: Registered, pair: PairRow, db: Database, settings: Settings
) -> None:
    """Run both arms and judge them, as the flow does."""
    start_pair(db, pair, reserve=0, cap=None)
    for arm in ARM_NAMES:
        request = registered.request(pair, arm)
        run = prepare_run(request, db=db, settings=settings, clock=SystemClock())
        await _execute(run.run_id, db, settings)
    [found] = judge(db, registered, [pair]).validity
    finish_pair(
        db,
        pair.test_id,
        pair.number,
        is_valid=found.is_valid,
        warnings=found.warnings,
        errors=found.errors,
    )


async def _execute(run_id: str, db: Database, settings: Settings) -> None:
    session = open_session(run_id, db=db, settings=settings, clock=SystemClock())
    try:
        await carry_out(session)
        state, reason = get_ending(db, run_id) or ending(get_phases(db, run_id))
        finish(session, state, reason)
    finally:
        close_session(session)
