"""Experiments on simulated agents of known worth, without an engine: what they end with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.carried_pairs import carry_out_pair
from support.experiments import Trial, agent, make_trial

from autopack.experiments.concluding import conclude, enough
from autopack.experiments.design.registration import register_experiment
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.experiment_records import get_pairs


async def experiment(trial: Trial, db: Database, settings: Settings) -> Analysis:
    """What the flow does."""
    registered = register_experiment(str(trial.spec), db=db, home=settings.home)
    for pair in get_pairs(db, registered.test_id):
        if enough(db, registered) is not None:
            break
        await carry_out_pair(registered, pair, db, settings)
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
