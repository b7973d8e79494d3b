"""`autopack runs`, `show` and `tokens`: reading what is stored."""

from __future__ import annotations

import textwrap
from pathlib import PurePosixPath
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.ledger.switches import refuse_if_off
from autopack.model.counted import dollars
from autopack.model.features import Feature
from autopack.model.states import AttemptState
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.pauses import list_pauses, pauses_of_run
from autopack.store.runs import RunRow, get_attempts, list_runs
from autopack.views.board import tokens_text
from autopack.views.overview import run_lines
from autopack.views.run_view import run_line, run_view, tokens_view
from deployments.cli.shared.next_steps import attempt_times, duration_text, next_steps
from deployments.cli.shared.output import (
    After,
    AsJson,
    Limit,
    cost_text,
    figure_text,
    found_by_judging,
    out,
    plain_table,
    print_json,
    print_run,
    print_uncut,
    state_text,
    unknown_text,
)
from deployments.cli.shared.paging import say_more

_LONGEST_GOAL = 60

RunIdArgument = Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")]


def _database() -> Database:
    return Database.open(Settings.from_environment().database_url)


def runs(
    *,
    state: Annotated[
        str | None, Parameter(help="Only runs in this state; FAILED means any failed state.")
    ] = None,
    limit: Limit = 1000,
    after: After = None,
    as_json: AsJson = False,
) -> int:
    """List runs, newest first."""
    db = _database()
    page, pauses = list_runs(db, state=state, limit=limit, after=after), list_pauses(db)
    rows: list[dict[str, Any]] = [
        run_line(row) | {"goal": row.goal, "paused": bool(pauses_of_run(pauses, row))}
        for row in page.rows
    ]
    spent = {line.run_id: line for line in run_lines(db, [row.run_id for row in page.rows])}
    for row, stored in zip(rows, page.rows, strict=True):
        line = spent[stored.run_id]
        row |= {
            "tokens": line.tokens,
            "unknown_builds": line.unknown_builds,
            "cost": line.cost,
            "cost_known": line.cost_known,
            "unpriced_calls": line.unpriced_calls,
            "duration_seconds": _duration(stored),
        }
    if as_json:
        print_json({"runs": rows, "next_cursor": page.next_cursor})
        return 0
    table = plain_table(
        *("run", "state", "created", "took", "builder", "tokens", "cost", "repo", "goal"),
        right=("took", "tokens", "cost"),
    )
    for row in rows:
        table.add_row(
            row["run_id"],
            state_text(row["state"], paused=row["paused"]),
            str(row["created_at"])[:16],
            duration_text(row["duration_seconds"]),
            row["builder"],
            tokens_text(row["tokens"], row["unknown_builds"]),
            "unknown" if row["cost"] is None else dollars(row["cost"]),
            PurePosixPath(str(row["repo"])).name,
            textwrap.shorten(str(row["goal"]), _LONGEST_GOAL, placeholder="…"),
        )
    print_uncut(table) if rows else out.print("no runs")
    say_more(page.next_cursor)
    return 0


def _duration(run: RunRow) -> float | None:
    """Return how long the run took, waiting included; None while it is not over."""
    if run.started_at is None or run.finished_at is None:
        return None
    return round((run.finished_at - run.started_at).total_seconds(), 1)


def show(run_id: RunIdArgument, *, as_json: AsJson = False) -> int:
    """Show one run and its phases.

    Its state, what it spent, and what is being built.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    view = run_view(db, run_id) | {"live": _live(db, settings, run_id)}
    if as_json:
        print_json(view)
        return 0
    print_run(view)
    for one in view["live"]:
        from autopack.views.live_build import live_line

        out.print(f"building {live_line(one)}")
    for phase in view["phases"]:
        times = attempt_times(phase)
        if times is not None:
            out.print(times)
    for step in next_steps(view):
        out.print(f"next    {step}")
    for line in found_by_judging(view):
        out.print(line)
    return 0


def _live(db: Database, settings: Settings, run_id: str) -> list[dict[str, Any]]:
    """Return the builds that are under way; most looks at runs find none, and load nothing."""
    if not any(one.state is AttemptState.STARTED for one in get_attempts(db, run_id)):
        return []
    from autopack.clock import SystemClock
    from autopack.views.live_build import LiveBuilds

    return LiveBuilds(db, settings, run_id, SystemClock()).look()


def tokens(
    run_id: Annotated[str, Parameter(help="The run, or a campaign.")], *, as_json: AsJson = False
) -> int:
    """Show what a run spent.

    By purpose and by role, with what it claims to have saved. Of a campaign, the same of all its
    runs together.
    """
    refuse_if_off(Feature.CONSOLIDATED_METRICS, process_environment())
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    view = tokens_view(db, run_id)
    view["live"] = [] if view["run_id"] is None else _live(db, settings, run_id)
    if as_json:
        print_json(view)
        return 0
    spent = view["spent"]
    table = plain_table("tokens", "", right=("",))
    for name in ("total", "input", "cache_read", "cache_write", "output", "unsplit"):
        table.add_row(name.replace("_", " "), figure_text(spent[name]))
    for part in ("by_category", "by_role"):
        for name, count in spent[part].items():
            table.add_row(f"{part.replace('_', ' ')}: {name}", figure_text(count))
    if view["claimed"] is not None:
        for name, figure in view["claimed"].items():
            table.add_row(name.replace("_", " "), "none" if figure is None else f"{figure:,}")
    out.print(table)
    for one in view["live"]:
        from autopack.views.live_build import live_line

        out.print(f"being built, not in these figures: {live_line(one)}")
    if view["claimed"] is None:
        out.print("no claimed figures: consolidated_metrics was off")
    cost = cost_text(view)
    out.print(cost if cost.startswith("cost") else f"cost {cost}")
    if spent["unknown_builds"]:
        out.print(unknown_text(spent["unknown_builds"]))
    elif view["unreconciled_calls"]:
        out.print(f"{view['unreconciled_calls']} calls are under way, or were never recorded")
    return 0
