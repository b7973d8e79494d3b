"""What nobody knows is said to be unknown, by everything that tells of a run's spend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.projects import make_project, write_yaml

from autopack.clock import SystemClock
from autopack.experiments.recorded.from_runs import run_facts
from autopack.ledger import frames, stored_views
from autopack.ledger.consolidated import consolidated_tokens, usage
from autopack.ledger.events.usage_events import token_totals
from autopack.model.ids import AttemptKey
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.tables.rollups import consolidated_token_views
from autopack.views import charts
from autopack.views.board import board, line
from autopack.views.fleet_standing import standings
from autopack.views.overview import run_lines
from autopack.views.run_view import run_view, tokens_view
from deployments.cli.shared.output import print_run
from tasks.recording import consolidated_table
from tasks.reporting import summary_markdown, token_table

PRICED = {
    "call": {"provider": "anthropic", "model": "claude-sonnet-4-5", "input": 1000, "output": 10}
}
FILE = {"files": {"a": "1"}}


@pytest.fixture
def db(settings: Settings) -> Any:
    found = Database.open(settings.database_url)
    yield found
    found.close()


@pytest.fixture
def built(tmp_path: Path, settings: Settings, db: Database) -> Callable[..., str]:
    """Builds one phase whose agent told so much, and returns the id of its run."""

    def build(told: str, *calls: Any) -> str:
        project = make_project(tmp_path / "p", {"one": [[*calls, FILE]]})
        recorded = {"builds": [{"told": told, "steps": [*calls, FILE]}]}
        write_yaml(project.recording / "one.yaml", recorded)
        request = RunRequest(
            str(project.plan),
            str(project.repository),
            builder_options={"recording": str(project.recording)},
            run_id="r",
        )
        prepare_run(request, db=db, settings=settings, clock=SystemClock())
        session = open_session("r", db=db, settings=settings, clock=SystemClock())
        try:
            asyncio.run(_build(session))
        finally:
            close_session(session)
        return "r"

    return build


async def _build(session: Any) -> None:
    session.environment = await prepare_environment(session)
    steps.begin(session, "one")
    await steps.build(session, AttemptKey("r", "one", 1))


def _printed(run: Any, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    print_run(run)
    return capsys.readouterr().out


# every producer of a figure, and what it has to say where nothing is known
PRODUCERS: dict[str, tuple[Callable[[Database], Any], Any]] = {
    "show, total": (lambda db: run_view(db, "r")["tokens"]["total"], None),
    "show, input": (lambda db: run_view(db, "r")["tokens"]["input"], None),
    "show, builds": (lambda db: run_view(db, "r")["tokens"]["unknown_builds"], 1),
    "show, cost": (lambda db: run_view(db, "r")["cost"], None),
    "show, known cost": (lambda db: run_view(db, "r")["cost_known"], None),
    "show, budget": (lambda db: run_view(db, "r")["budget"]["spent"]["tokens"], None),
    "show, money of the budget": (lambda db: run_view(db, "r")["budget"]["spent"]["cost"], None),
    "show, tree": (
        lambda db: {n["spent"]["tokens"] for n in run_view(db, "r")["budget"]["tree"]},
        {None},
    ),
    "show, phase": (lambda db: run_view(db, "r")["phases"][0]["tokens"], None),
    "phase": (lambda db: run_view(db, "r")["phases"][0]["unknown_builds"], 1),
    "tokens": (lambda db: tokens_view(db, "r")["spent"]["total"], None),
    "tokens, by role": (lambda db: set(tokens_view(db, "r")["spent"]["by_role"].values()), {None}),
    "tokens, unreconciled": (lambda db: tokens_view(db, "r")["unreconciled_calls"], 1),
    "tokens, cost": (lambda db: tokens_view(db, "r")["cost"], None),
    "event": (lambda db: token_totals(db, "r").told, None),
    "standing": (lambda db: standings(db, ["r"])[0].tokens, None),
    "standing, cost": (lambda db: standings(db, ["r"])[0].cost, None),
    "listing": (lambda db: run_lines(db, ["r"])[0].tokens, None),
    "listing, known cost": (lambda db: run_lines(db, ["r"])[0].cost_known, None),
    "experiment": (lambda db: run_facts(db, ["r"])["r"].arm.tokens, None),
    "experiment, cost": (lambda db: run_facts(db, ["r"])["r"].metrics["cost"], None),
    "table": (
        lambda db: [row["tokens"] for row in token_table(run_view(db, "r"))],
        ["unknown"] * 2,
    ),
    "purposes": (
        lambda db: {
            row["tokens"]
            for row in consolidated_table(consolidated_tokens(db, "r"))
            if row["figure"] != "unknown builds"
        },
        {None},
    ),
    "frame": (
        lambda db: bool(frames.consolidated_frame(db, ["r"])["spent_total"].isna().all()),
        True,
    ),
}


@pytest.mark.parametrize("told", ["unknown"])
def test_no_producer_says_zero(
    built: Callable[..., str], db: Database, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = built(told)

    said = {name: figure(db) for name, (figure, _) in PRODUCERS.items()}

    assert said == {name: expected for name, (_, expected) in PRODUCERS.items()}
    run = run_view(db, run_id)
    texts = {
        "show": _printed(run, capsys),
        "summary": summary_markdown(run),
        "line": line(standings(db, ["r"])[0]),
        "board": board(standings(db, ["r"]), lambda _: None),
        "chart": charts.spent_chart("r", consolidated_tokens(db, "r").spent) and "unknown",
    }
    assert [name for name, text in texts.items() if "unknown" not in text] == []


def test_what_is_stored_of_an_unknown_run_is_null(built: Callable[..., str], db: Database) -> None:
    built("unknown")

    stored_views.store_view(db, "r")

    with db.read() as conn:
        row = conn.execute(consolidated_token_views.select()).mappings().one()
    assert (row["spent_total"], row["cost"], row["unknown_builds"]) == (None, None, 1)


def test_what_is_known_counts_beside_what_is_not(
    built: Callable[..., str], db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    built("partial", PRICED)

    run = run_view(db, "r")

    assert (run["tokens"]["total"], run["tokens"]["unknown_builds"]) == (1010, 1)
    assert (run["cost"], run["cost_known"]) == (None, 0.00315)
    (line,) = run_lines(db, ["r"])
    assert (line.cost, line.cost_known, line.unpriced_calls) == (None, 0.00315, 0)
    assert tokens_view(db, "r")["unreconciled_calls"] == 1
    assert "≥ 1,010" in _printed(run, capsys)
    assert "1 builds told less" in summary_markdown(run)
    assert run_facts(db, ["r"])["r"].arm.tokens is None


def test_an_exact_build_is_reconciled(built: Callable[..., str], db: Database) -> None:
    built("exact", PRICED)

    run = run_view(db, "r")

    assert (run["tokens"]["total"], run["tokens"]["unknown_builds"]) == (1010, 0)
    assert (run["cost"], run["cost_known"], run["unpriced_calls"]) == (0.00315, 0.00315, 0)
    assert tokens_view(db, "r")["unreconciled_calls"] == 0


def test_a_build_that_spent_nothing_spent_zero(built: Callable[..., str], db: Database) -> None:
    built("exact")

    run = run_view(db, "r")

    assert (run["tokens"]["total"], run["cost"], run["cost_known"]) == (0, 0, 0)
    (line,) = run_lines(db, ["r"])
    assert (line.cost, line.cost_known, line.unpriced_calls) == (0, 0, 0)


def test_recordings_are_no_money_spent(built: Callable[..., str], db: Database) -> None:
    built("exact", PRICED)

    spent, all_ = usage(db, by="model"), usage(db, by="model", include_simulated=True)

    assert (spent.rows, spent.total.total, spent.total.cost) == ((), 0, Decimal(0))
    assert (all_.total.total, all_.total.cost) == (1010, Decimal("0.00315"))
    assert spent.simulated_calls == all_.simulated_calls == 1
    assert run_view(db, "r")["simulated_calls"] == 1
