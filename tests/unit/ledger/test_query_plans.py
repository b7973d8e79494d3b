"""Every question asked often is answered from an index, on both engines."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from autopack.ledger.consolidated import consolidated_tokens, usage
from autopack.ledger.events.usage_events import phase_tokens, token_totals
from autopack.metrics.attempt_metrics import phase6_summary, token_efficiency_summary
from autopack.metrics.estimates import estimate_doctor_tokens
from autopack.store import Database
from autopack.store.runs import list_runs

THEN = datetime(2026, 1, 1, tzinfo=UTC)

QUESTIONS: dict[str, Callable[[sa.Connection], object]] = {
    "totals of a run": lambda conn: token_totals(conn, "r"),
    "tokens of each phase": lambda conn: phase_tokens(conn, "r"),
    "consolidated view of a run": lambda conn: consolidated_tokens(conn, "r"),
    "consolidated view of a campaign": lambda conn: consolidated_tokens(conn, campaign="c"),
    "the same in SQL": lambda conn: conn.exec_driver_sql(
        "SELECT * FROM consolidated_tokens WHERE run_id = 'r'"
    ),
    "usage by model": lambda conn: usage(conn, by="model", since=date(2026, 1, 1)),
    "usage by day": lambda conn: usage(conn, by="day", since=date(2026, 1, 1)),
    "usage by run": lambda conn: usage(conn, by="run", since=date(2026, 1, 1)),
    "doctor estimate": lambda conn: estimate_doctor_tokens(conn, "r", "cheap"),
    "doctor estimate, any tier": lambda conn: estimate_doctor_tokens(conn, "r", None),
    "metrics of a run": lambda conn: phase6_summary(conn, run_id="r"),
    "metrics of a period": lambda conn: phase6_summary(conn, since=THEN),
    "efficiency of a run": lambda conn: token_efficiency_summary(conn, run_id="r"),
    "efficiency of a period": lambda conn: token_efficiency_summary(conn, since=THEN),
    "runs": list_runs,
}


@pytest.fixture
def plans_of(database: Database) -> Callable[[Callable[[sa.Connection], object]], list[str]]:
    """The query plan of every statement that a question asks."""

    def planning(question: Callable[[sa.Connection], object]) -> list[str]:
        asked: list[tuple[str, object]] = []

        def note(conn, cursor, statement, parameters, context, many) -> None:
            asked.append((statement, parameters))

        with database.read() as conn:
            event.listen(conn, "before_cursor_execute", note)
            try:
                question(conn)
            finally:
                event.remove(conn, "before_cursor_execute", note)
            if database.dialect == "postgresql":
                # On tables as small as these a scan would be the best plan.
                conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
            word = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
            lines: list[str] = []
            for statement, parameters in asked:
                plan = conn.exec_driver_sql(f"{word} {statement}", parameters)  # pyright: ignore[reportArgumentType]
                lines += [str(row[-1]) for row in plan]
            return lines

    return planning


@pytest.fixture(autouse=True)
def known_run(database: Database) -> None:
    columns = "run_id, phase_id, day, role, category, events, total_tokens, input_tokens, "
    columns += "cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, "
    columns += "unsplit_tokens, cost_microdollars, cost_picodollars, unpriced_events, simulated"
    values = "'r', 'one', '2026-01-01', 'builder', 'base'" + ", 0" * 11 + ", false"
    database.transact(
        lambda conn: (
            conn.exec_driver_sql(f"INSERT INTO usage_by_run ({columns}) VALUES ({values})"),
            conn.exec_driver_sql(
                "INSERT INTO plans (plan_hash, body, created_at)"
                " VALUES ('h', '{}', '2026-01-01 00:00:00')"
            ),
            conn.exec_driver_sql(
                "INSERT INTO runs (run_id, plan_hash, goal, repo, base_commit, branch, builder,"
                " builder_options, models, features, campaign_id, token_cap, minutes_cap, at_cap,"
                " state, created_at) VALUES ('r', 'h', 'g', '/r', 'c', 'b', 'script', '{}', '{}',"
                " '[\"consolidated_metrics\"]', 'c', 1, 1, 'fail', 'RUN_CREATED',"
                " '2026-01-01 00:00:00')"
            ),
        )
    )


def scans(lines: list[str]) -> list[str]:
    """The lines that read a whole table. Subqueries are read whole by nature, and reading an
    index whole to keep an order is how a page without a filter begins."""
    whole = re.compile(r"Seq Scan|^SCAN (?!\(|CONSTANT|anon_\d+|known\b)(?!.*USING)")
    return [line for line in lines if whole.search(line)]


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_scans_no_table(plans_of, question) -> None:
    lines = plans_of(question)
    assert lines
    assert scans(lines) == []


def test_a_scan_would_be_noticed(plans_of) -> None:
    lines = plans_of(
        lambda conn: conn.exec_driver_sql("SELECT * FROM llm_usage_events WHERE model = 'm'")
    )
    assert scans(lines)
