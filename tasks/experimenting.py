"""Tasks of an experiment: registering it, preparing and judging its pairs, concluding it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from autopack.clock import SystemClock
from autopack.experiments import concluding
from autopack.experiments.design import registration
from autopack.experiments.design.layout import ArmName
from autopack.experiments.design.registration import Registered
from autopack.experiments.report.markdown import self_contained
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.runs.prepare import prepare
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.experiment_records import PairRow, finish_pair
from autopack.views.operating.page_links import experiment_address
from blocks.configured import configured
from tasks.artifacts import artifact_key, publish_markdown, with_page
from tasks.step import step


@step("register experiment")
async def register_experiment(
    spec: str,
    db: Database,
    settings: Settings,
    push: str | None,
    *,
    more_budget: Sequence[str] = (),
    void_again: bool = False,
) -> Registered:
    """Check the experiment and its remote, and register it; one that goes on is found again."""
    return await asyncio.to_thread(
        registration.register_experiment,
        spec,
        db=db,
        home=settings.home,
        push=push,
        more_budget=more_budget,
        void_again=void_again,
    )


@step("prepare arm", "prepare {arm} of pair {pair.number}")
async def prepare_arm(
    registered: Registered, pair: PairRow, arm: ArmName, db: Database, settings: Settings
) -> str:
    """Store the run of one arm; one that is stored already stays. Returns its id."""
    request = registered.request(pair, arm)
    block = await configured(request.builder)
    request = replace(
        request,
        builder_options=block.options | dict(request.builder_options),
        builder_secrets=block.secrets,
    )
    run = await asyncio.to_thread(
        prepare.prepare_run, request, db=db, settings=settings, clock=SystemClock()
    )
    return run.run_id


@step("judge pair", "judge pair {pair.number}")
async def judge_pair(registered: Registered, pair: PairRow, db: Database) -> None:
    """Judge a pair whose runs have ended by what was recorded of them, and keep that."""

    def work() -> None:
        [judged] = concluding.judge(db, registered, [pair]).validity
        finish_pair(
            db,
            pair.test_id,
            pair.number,
            is_valid=judged.is_valid,
            warnings=judged.warnings,
            errors=judged.errors,
        )

    await asyncio.to_thread(work)


@step("conclude experiment", "conclude {registered.test_id}")
async def conclude_experiment(
    registered: Registered, db: Database, settings: Settings
) -> Analysis | None:
    """Analyse the pairs, keep the result, write the report and publish it."""
    concluded = await asyncio.to_thread(concluding.conclude, db, registered, settings=settings)
    if concluded is None:
        return None
    analysis = concluded.analysis
    text = await asyncio.to_thread(self_contained, analysis)
    await publish_markdown(
        with_page(text, experiment_address(registered.test_id)),
        key=artifact_key("ab", registered.test_id),
        description=analysis.sentence,
    )
    return analysis
