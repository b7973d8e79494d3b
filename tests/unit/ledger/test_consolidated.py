"""Figures of runs and periods: exact, from sums alone, and never two sets in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from support.usage import SPLIT, record, usage_event

from autopack.ledger import frames
from autopack.ledger.check import check
from autopack.ledger.consolidated import (
    Claimed,
    Coverage,
    consolidated_tokens,
    usage,
)
from autopack.ledger.stored_views import record_measured_saving, store_view
from autopack.metrics.attempt_metrics import phase6_summary
from autopack.model.errors import BadInput, NotFound
from autopack.store import Database
from autopack.store.runs import NewRun, create_run
from autopack.store.tables import rollups
from autopack.store.usage_event import UsageEvent
from autopack.views.charts import spent_chart
from deployments.cli import run_command

DAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(number: int, run_id: str = "r", **changes: object) -> UsageEvent:
    known = {"phase_id": "p0", **SPLIT, "cost": Decimal("0.001"), "created_at": DAY}
    return usage_event(number, run_id=run_id, **known | changes)


def store_run(
    db: Database,
    run_id: str,
    *features: str,
    phases: int = 1,
    campaign_id: str | None = None,
) -> None:
    new = NewRun(
        run_id=run_id,
        plan_hash="a" * 64,
        plan_body={},
        goal="g",
        repo="/repo",
        base_commit="b" * 40,
        branch="b",
        builder="script",
        builder_options={},
        model=None,
        models={},
        features=features,
        token_cap=1,
        cost_cap=None,
        minutes_cap=1,
        at_cap="fail",
        campaign_id=campaign_id,
    )
    create_run(db, new, [(f"p{n}", "T1") for n in range(phases)])


def insert(db: Database, table: sa.Table, *rows: Mapping[str, object]) -> None:
    db.transact(lambda conn: conn.execute(sa.insert(table), list(rows)))


def test_many_events_phases_and_attempts_multiply_nothing(database: Database) -> None:
    """500 events, 3 phases and 4 attempts each: a join would count each event twelve times."""
    store_run(database, "r", "consolidated_metrics", phases=3)
    record(
        database,
        *(event(n, phase_id=f"p{n % 3}", attempt=n % 4 + 1) for n in range(480)),
        *(event(n, role="doctor", category="second_opinion") for n in range(480, 500)),
    )
    keys = [
        {"run_id": "r", "phase_id": f"p{p}", "attempt": a, "created_at": DAY}
        for p in range(3)
        for a in range(1, 5)
    ]
    insert(
        database,
        rollups.phase6_metrics,
        *(
            {
                **key,
                "doctor_tokens_avoided_estimate": 10,
                "estimate_source": "global",
                "estimate_coverage_n": 7,
            }
            for key in keys
        ),
    )
    insert(
        database,
        rollups.token_efficiency_metrics,
        *({**key, "tokens_saved_artifacts": 5} for key in keys),
    )

    figures = consolidated_tokens(database, "r")

    spent = figures.spent
    assert (spent.total, spent.events, spent.cost) == (50_000, 500, Decimal("0.5"))
    assert spent.by_category["base"] == 48_000
    assert spent.by_role["doctor"] == 2_000
    assert figures.claimed == Claimed(60, 120, None)
    assert figures.coverage is not None
    assert figures.coverage["global"] == Coverage(12, 84)
    assert figures.coverage["fallback"] == Coverage(0, 0)


def test_the_view_in_sql_says_the_same(database: Database) -> None:
    store_run(database, "r")
    record(database, event(1), event(2, role="doctor", category="second_opinion", cost=None))
    record(database, event(1, run_id="unknown-run"))
    with database.read() as conn:
        rows = conn.execute(sa.text("SELECT * FROM consolidated_tokens")).mappings().all()
    by_run = {row["run_id"]: row for row in rows}
    assert set(by_run) == {"r", "unknown-run"}
    spent = consolidated_tokens(database, "r").spent
    row = by_run["r"]
    assert (row["spent_total"], row["spent_input"]) == (spent.total, spent.input)
    assert row["category_second_opinion"] == spent.by_category["second_opinion"]
    assert row["role_builder"] == spent.by_role["builder"]
    assert (row["events"], row["unpriced_events"]) == (2, 1)


def test_several_runs_are_the_sum_of_each(database: Database) -> None:
    record(database, event(1, run_id="a"), event(1, run_id="b"), event(1, run_id="c"))
    assert consolidated_tokens(database, "a", "b").spent.total == 200


def test_a_campaign_is_the_sum_of_its_runs(database: Database) -> None:
    """One run claims, one does not, and one belongs to another campaign."""
    store_run(database, "a", "consolidated_metrics", campaign_id="c")
    store_run(database, "b", campaign_id="c")
    store_run(database, "x", "consolidated_metrics", campaign_id="other")
    for run_id in ("a", "b", "x"):
        record(database, event(1, run_id=run_id))
        key = {"run_id": run_id, "phase_id": "p0", "attempt": 1, "created_at": DAY}
        insert(
            database,
            rollups.token_efficiency_metrics,
            {**key, "tokens_saved_artifacts": 5},
        )
    figures = consolidated_tokens(database, campaign="c")
    assert (figures.spent.total, figures.spent.events) == (200, 2)
    assert figures.claimed == Claimed(5, None, None)
    with pytest.raises(NotFound):
        consolidated_tokens(database, campaign="nobody's")


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_tokens_answers_for_a_campaign(
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store_run(database, "a", campaign_id="c")
    store_run(database, "b", campaign_id="c")
    record(database, event(1, run_id="a"), event(1, run_id="b"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run_command(["tokens", "c", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["run_id"], answer["campaign_id"], answer["runs"]) == (None, "c", 2)
    assert answer["spent"]["total"] == 200
    assert run_command(["tokens", "nothing", "--json"]) == 2


def test_a_run_with_the_feature_off_claims_nothing(database: Database) -> None:
    store_run(database, "r")
    figures = consolidated_tokens(database, "r")
    assert (figures.spent.total, figures.claimed, figures.coverage) == (0, None, None)


def test_an_unknown_run_is_no_run_of_zero_tokens(database: Database) -> None:
    with pytest.raises(NotFound):
        consolidated_tokens(database, "nobody")


@pytest.fixture
def three_days(database: Database) -> Database:
    record(
        database,
        event(1, run_id="a", model="big"),
        event(2, run_id="a", model="small", created_at=DAY + timedelta(days=1)),
        event(3, run_id="b", model="small", created_at=DAY + timedelta(days=2), cost=None),
    )
    return database


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("model", {"small": 200}),
        ("role", {"builder": 200}),
        ("category", {"base": 200}),
        ("day", {"2026-01-02": 100, "2026-01-03": 100}),
        ("run", {"a": 100, "b": 100}),
    ],
)
def test_usage_of_a_period(three_days: Database, by, expected: dict[str, int]) -> None:
    page = usage(three_days, by=by, since=date(2026, 1, 2))
    assert {row.key: row.total for row in page.rows} == expected
    assert (page.total.total, page.total.events, page.total.cost) == (200, 2, None)


def test_usage_goes_on_where_a_page_ended(three_days: Database) -> None:
    first = usage(three_days, by="day", limit=2)
    assert [row.key for row in first.rows] == ["2026-01-01", "2026-01-02"]
    second = usage(three_days, by="day", limit=2, after=first.next_cursor)
    assert [row.key for row in second.rows] == ["2026-01-03"]
    assert (first.total, second.next_cursor) == (second.total, None)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 10_001}, {"after": "?"}, {"by": "x"}])
def test_a_wrong_page_is_refused(three_days: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        usage(three_days, **({"by": "day"} | wrong))  # pyright: ignore[reportArgumentType]


def test_sums_that_nothing_explains_are_found(database: Database) -> None:
    store_run(database, "r")
    record(database, event(1), event(2))
    assert check(database) == []
    database.transact(
        lambda conn: conn.execute(sa.update(rollups.usage_by_run).values(total_tokens=1, events=1))
    )
    (drift,) = check(database)
    assert (drift.kind, drift.run_id) == ("usage_sums", "r")
    assert "lacks 1 calls of 199 tokens" in drift.message


def test_a_stored_view_is_renewed_and_keeps_what_was_measured(database: Database) -> None:
    store_run(database, "r", "consolidated_metrics")
    record(database, event(1))
    store_view(database, "r")
    view = record_measured_saving(database, "r", -40)
    assert view.claimed == Claimed(None, None, -40)
    record(database, event(2))
    store_view(database, "r")
    with database.read() as conn:
        (row,) = conn.execute(sa.select(rollups.consolidated_token_views)).mappings()
    assert (row["spent_total"], row["ab_tokens_saved_measured"]) == (200, -40)
    assert consolidated_tokens(database, "r").claimed == Claimed(None, None, -40)
    record_measured_saving(database, "r", None)
    assert consolidated_tokens(database, "r").claimed == Claimed(None, None, None)


def test_metrics_tell_what_was_measured_of_the_runs_they_are_of(database: Database) -> None:
    for run_id, saved in (("a", 30), ("b", -10), ("other", 500)):
        store_run(database, run_id, "consolidated_metrics")
        record_measured_saving(database, run_id, saved)
    keys = [("a", 1), ("a", 2), ("b", 1)]
    insert(
        database,
        rollups.phase6_metrics,
        *({"run_id": r, "phase_id": "p0", "attempt": n, "created_at": DAY} for r, n in keys),
    )
    assert phase6_summary(database, run_id="a")["actual_tokens_saved"] == 30
    assert phase6_summary(database, since=DAY)["actual_tokens_saved"] == 20
    assert phase6_summary(database, run_id="other")["actual_tokens_saved"] is None


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_chart_is_the_same_for_the_same_figures(three_days: Database) -> None:
    spent = consolidated_tokens(three_days, "a").spent
    first, second = spent_chart("a", spent), spent_chart("a", spent)
    assert first == second
    assert first.lstrip().startswith("<?xml")


def test_frames_are_typed_and_say_the_same(three_days: Database) -> None:
    by_day = frames.usage_frame(three_days, by="day")
    assert by_day["total"].sum() == 300
    assert str(by_day["day"].dtype).startswith("datetime64")
    assert by_day["cost"].isna().tolist() == [False, False, True]
    runs = frames.consolidated_frame(three_days, ["a", "b"])
    assert runs["spent_total"].tolist() == [200, 100]
    assert runs["ab_tokens_saved_measured"].isna().all()
    events = frames.events_frame(three_days, "a")
    assert (len(events), str(events["input_tokens"].dtype)) == (2, "Int64")
    assert str(events["created_at"].dt.tz) == "UTC"
    assert len(frames.phase6_frame(three_days, "a")) == 0


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_narrow_terminal_cuts_no_figure(
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record(database, event(1, model="m" * 60))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "40")
    assert run_command(["usage", "--by", "model"]) == 0
    _, row, total, *_ = capsys.readouterr().out.splitlines()
    figures = ["1", "100", "10", "20", "30", "40", "0", "$0.0010"]
    assert row.split() == ["m" * 60, *figures]
    assert total.split() == ["total", *figures]
