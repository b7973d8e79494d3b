"""What is recorded of each attempt, and told to a collector; a fault here never fails a run."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from prefect import get_run_logger
from sqlalchemy.exc import SQLAlchemyError

from autopack.clock import SystemClock
from autopack.ledger import stored_views
from autopack.ledger.consolidated import Consolidated
from autopack.metrics import attempt_metrics
from autopack.model.errors import AutopackError
from autopack.model.features import Feature, kill_switches
from autopack.runs.session.session import held
from autopack.settings import process_environment
from autopack.store.database.engine import Database
from autopack.store.sent_spans import unsent_runs
from autopack.views import charts
from autopack.views.tracing.collector import is_wanted, send_run
from tasks.artifacts import artifact_key, publish_image, publish_table
from tasks.away import going_without
from tasks.outbox import Outbox
from tasks.step import step

_SPANS_SINCE = timedelta(days=1)
_SPANS_AT_ONCE = 100


@step("record phase-6 metrics")
async def record_phase6_metrics(run_id: str) -> None:
    """Write what hardening, doctor and context did in attempts that ended."""
    await asyncio.to_thread(attempt_metrics.record_phase6_metrics, held(run_id).db, run_id)


@step("record token efficiency")
async def record_token_efficiency(run_id: str) -> None:
    """Write what became of the context of attempts that ended."""
    await asyncio.to_thread(attempt_metrics.record_token_efficiency, held(run_id).db, run_id)


async def record_metrics(run_id: str) -> None:
    """Record what the features of the run tell of its attempts; report a fault and continue."""
    try:
        killed = kill_switches(process_environment())
        features = held(run_id).run().features
        on = {one for one in Feature if one.value in features and not killed[one]}
        if Feature.PHASE6_METRICS in on:
            await record_phase6_metrics(run_id)
        if on & {Feature.PHASE6_METRICS, Feature.CONTEXT_PACK}:
            await record_token_efficiency(run_id)
    except (AutopackError, SQLAlchemyError) as error:
        get_run_logger().warning("metrics of %s were not recorded: %s", run_id, error)


@step("persist consolidated view", "persist the token view of {run_id}")
async def persist_consolidated_view(db: Database, run_id: str) -> Consolidated:
    """Store the run's consolidated view."""
    return await asyncio.to_thread(stored_views.store_view, db, run_id)


async def _publish(run_id: str, view: Consolidated) -> None:
    """Publish a view as a table and a stacked chart."""
    key = artifact_key("tokens", run_id)
    await publish_table(
        consolidated_table(view), key=f"{key}-purposes", description=f"Tokens of {run_id}"
    )
    chart = await asyncio.to_thread(charts.spent_chart, run_id, view.spent)
    await publish_image(
        f"data:image/svg+xml;base64,{b64encode(chart.encode()).decode()}",
        key=f"{key}-chart",
        description=f"Tokens that {run_id} spent, by purpose",
    )


async def persist_view(db: Database, run_id: str, outbox: Outbox) -> None:
    """Persist the view when the run has consolidated_metrics on, and have it published; report a
    fault and continue.
    """
    if kill_switches(process_environment())[Feature.CONSOLIDATED_METRICS]:
        return
    try:
        if stored_views.is_on(db, run_id):
            with going_without("the token view is not shown"):
                view = await persist_consolidated_view(db, run_id)
                outbox.send("the token view is not shown", lambda: _publish(run_id, view))
    except (AutopackError, SQLAlchemyError) as error:
        get_run_logger().warning("the token view of %s was not stored: %s", run_id, error)


def consolidated_table(view: Consolidated) -> list[dict[str, str | int | None]]:
    """Return the view as rows; spent and claimed are two sets, and nothing adds them up."""
    claimed = asdict(view.claimed) if view.claimed else {}

    def known(count: int) -> int | None:
        return None if view.spent.nothing_known else count

    sets: tuple[tuple[str, Mapping[str, int | None]], ...] = (
        ("spent", {"total": view.spent.told, "unknown builds": view.spent.unknown_builds}),
        ("spent by purpose", {str(n): known(c) for n, c in view.spent.by_category.items()}),
        ("spent by role", {str(n): known(c) for n, c in view.spent.by_role.items()}),
        ("claimed", claimed),
    )
    return [
        {"set": kind, "figure": name, "tokens": tokens}
        for kind, figures in sets
        for name, tokens in figures.items()
    ]


async def send_ended(db: Database, run_id: str) -> None:
    """Send the spans of a run that has ended; that they cannot be sent is said, and no failure."""
    if is_wanted():
        await _sent(db, [run_id])


async def send_missed(db: Database) -> int:
    """Send runs whose process ended, or whose collector was away, before they were sent.

    Returns how many were sent. Runs that ended more than a day ago are skipped.
    """
    if not is_wanted():
        return 0
    since = SystemClock().now() - _SPANS_SINCE
    return await _sent(db, await asyncio.to_thread(_unsent, db, since))


def _unsent(db: Database, since: datetime) -> list[str]:
    return unsent_runs(db, since=since, limit=_SPANS_AT_ONCE)


async def _sent(db: Database, run_ids: list[str]) -> int:
    """Send runs until one is not taken, for then the collector is away."""
    for number, run_id in enumerate(run_ids):
        try:
            await asyncio.to_thread(send_run, db, run_id)
        except Exception as error:  # of no consequence to the run
            hint = error.hint if isinstance(error, AutopackError) else None
            get_run_logger().warning("no spans sent: %s%s", error, f" ({hint})" if hint else "")
            return number
    return len(run_ids)
