"""`autopack metrics`: what features did in a run or in a period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, cast

from cyclopts import Parameter

from autopack.ledger.period import parse_period
from autopack.ledger.switches import refuse_if_off
from autopack.metrics.attempt_metrics import (
    is_on,
    phase6_summary,
    tells_efficiency,
    token_efficiency_summary,
)
from autopack.model.errors import BadInput
from autopack.model.features import Feature
from autopack.repair.review.review_precision import as_json as review_as_json
from autopack.repair.review.review_precision import reviewing
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from deployments.cli.shared.output import AsJson, out, plain_table, print_json


def metrics(
    run_id: Annotated[str | None, Parameter(help="The run; else name a period.")] = None,
    *,
    since: Annotated[str | None, Parameter(help="Attempts from then on: 7d, 2026-01-31.")] = None,
    until: Annotated[str | None, Parameter(help="Attempts up to then, a UTC day included.")] = None,
    savings: Annotated[
        bool,
        Parameter(
            name="--savings",
            negative="",
            help="Instead: what each pattern saves, by the phases that were held out.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show what features did.

    The phase-6 metrics, the token efficiency and the reviewers of a run or a period.
    """
    if savings:
        if run_id is not None or until is not None:
            raise BadInput(
                "--savings is over all runs, at most from --since on",
                field="--savings",
                hint="autopack metrics --savings --since 30d",
            )
        from deployments.cli.ledger.savings import show_savings

        return show_savings(since, as_json=as_json)
    refuse_if_off(Feature.PHASE6_METRICS, process_environment())
    if (run_id is None) == (since is None and until is None):
        raise BadInput(
            "name either a run or a period", field="run_id", hint="autopack metrics --since 7d"
        )
    now = datetime.now(UTC)
    found = parse_period(since, until, now, prefix="--")
    period = {"since": found.since, "until": found.before}
    db = Database.open(Settings.from_environment().database_url)
    with db.read() as conn:
        if run_id is not None:
            get_run(conn, run_id)
        recorded = run_id is None or is_on(conn, run_id)
        phase6 = phase6_summary(conn, run_id=run_id, **period) if recorded else None
        told = run_id is None or tells_efficiency(conn, run_id)
        efficiency = token_efficiency_summary(conn, run_id=run_id, **period) if told else None
        reviews = [review_as_json(one) for one in reviewing(conn, run_id=run_id, **period)]
    if as_json:
        times = {name: at and at.isoformat() for name, at in period.items()}
        which = {"run_id": run_id} if run_id is not None else times
        figures = {"phase6": phase6, "token_efficiency": efficiency, "reviews": reviews}
        print_json({**which, **figures})
        return 0
    if efficiency is None:
        out.print(f"{run_id} has no metrics: phase6_metrics was off for this run")
    else:
        if phase6 is not None:
            _print(phase6)
            out.print()
        _print(efficiency)
    if reviews:
        out.print()
        _print_reviews(reviews)
    return 0


def _print_reviews(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        who = row["reviewer"] + (f" ({row['model']})" if row["model"] else "")
        counts = ("reviews", "approve", "reject", "inconclusive", "findings", "dropped")
        table = plain_table(f"reviewer {who}", "", right=("",))
        for name in counts:
            table.add_row(name, f"{row[name]:,}")
        table.add_row("findings right: quoted lines changed", _precision(row["changed"]))
        table.add_row("findings right: a person agreed", _precision(row["person"]))
        out.print(table)


def _precision(found: dict[str, Any]) -> str:
    """Return how many findings were right, with the bounds that hold at every look."""
    if found["precision"] is None:
        return "unknown"
    low, high = found["interval"]["lo"], found["interval"]["hi"]
    count = found["right"] + found["wrong"]
    return f"{found['right']} of {count} ({low:.0%} to {high:.0%})"


def _print(summary: dict[str, Any]) -> None:
    table = plain_table("metric", "", right=("",))
    for name, value in summary.items():
        parts = cast("dict[str, Any]", value) if isinstance(value, dict) else {"": value}
        for part, figure in parts.items():
            label = name.replace("_", " ") + (f": {part}" if part else "")
            table.add_row(label, _shown(figure))
    out.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        figures = cast("dict[str, int]", value)
        return ", ".join(f"{name} {number:,}" for name, number in figures.items())
    return "none" if value is None else f"{value:,}"
