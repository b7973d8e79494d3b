"""Experiments on simulated agents of known worth, without an engine: what they end with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.experiments import Trial, agent, make_trial
from support.runs import carry_out

from autopack.clock import SystemClock
from autopack.experiments.concluding import conclude, enough, judge
from autopack.experiments.design.layout import ARM_NAMES
from autopack.experiments.design.registration import register_experiment
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.runs.finish.finish import finish
from autopack.runs.next_phase import ending
from autopack.runs.prepare.prepare import prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.experiment_records import finish_pair, get_pairs, start_pair
from autopack.store.reading import get_ending, get_phases


async def execute(run_id: str, db: Database, settings: Settings) -> None:
    session = open_session(run_id, db=db, settings=settings, clock=SystemClock())
    try:
        await carry_out(session)
        state, reason = get_ending(db, run_id) or ending(get_phases(db, run_id))
        finish(session, state, reason)
    finally:
        close_session(session)


async def experiment(trial: Trial, db: Database, settings: Settings) -> Analysis:
    """What the flow does."""
    registered = register_experiment(str(trial.spec), db=db, home=settings.home)
    for pair in get_pairs(db, registered.test_id):
        if enough(db, registered) is not None:
            break
        start_pair(db, pair, reserve=0, cap=None)
        for arm in ARM_NAMES:
            request = registered.request(pair, arm)
            run = prepare_run(request, db=db, settings=settings, clock=SystemClock())
            await execute(run.run_id, db, settings)
        [found] = judge(db, registered, [pair]).validity
        finish_pair(
            db,
            pair.test_id,
            pair.number,
            is_valid=found.is_valid,
            warnings=found.warnings,
            errors=found.errors,
        )
    concluded = conclude(db, registered, settings=settings)
    assert concluded is not None
    return concluded.analysis


@pytest.mark.slow
async def test_no_effect_does_not_end_early_and_is_no_saving(
    tmp_path: Path, database: Any, settings: Any
) -> None:
    same = agent(1000, sigma=0.3)
    trial = make_trial(tmp_path, plans=10, control=same, treatment=same, seed=1)
    analysis = await experiment(trial, database, settings)
    assert analysis.decision == "INCONCLUSIVE"
    assert (analysis.n_pairs, analysis.n_void, analysis.stopped_at) == (10, 0, None)


@pytest.mark.slow
async def test_a_saving_that_costs_success_is_not_called_one(
    tmp_path: Path, database: Any, settings: Any
) -> None:
    """Each treatment run is half as dear, and half of them fail."""
    trial = make_trial(
        tmp_path,
        plans=16,
        control=agent(1000, sigma=0.1),
        treatment=agent(500, success=0.5, sigma=0.1),
        attempts=1,
        ni_margin=0.2,
        seed=1,
    )
    analysis = await experiment(trial, database, settings)
    assert analysis.decision == "SAVES_SUCCESS_UNPROVEN"
    assert analysis.ci.hi is not None
    assert analysis.ci.hi < 1
    assert analysis.success.n10 > 0
    assert not analysis.ni_shown
