"""The ledger as a source, on both engines: what failed here before, and what made it pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from autopack.research.sources import Query
from autopack.research.sources.ledger_source import LedgerSource
from autopack.store import Database, tables
from autopack.store.tables.rollups import error_logs

AT = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(number: int, state: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ("hint", "summary", "changed_paths", "failure_cause", "failure_message", "failure_output")
    )
    row |= {
        "run_id": "earlier",
        "phase_id": "one",
        "attempt": number,
        "revision": 0,
        "state": state,
        "base_commit": "c" * 40,
        "builder": "script",
        "recorded_build": number,
        "started_at": AT + timedelta(minutes=number),
    }
    return row | more


def store(db: Database, repo: str) -> None:
    run = {
        "run_id": "earlier",
        "plan_hash": "hash",
        "goal": "Say how long to wait",
        "repo": repo,
        "base_commit": "c" * 40,
        "branch": "main",
        "builder": "script",
        "builder_options": {},
        "models": {},
        "features": [],
        "token_cap": 1,
        "minutes_cap": 1.0,
        "at_cap": "fail",
        "state": "DONE_SUCCESS",
        "created_at": AT,
    }
    failed = attempt(
        1,
        "FAILED",
        failure_cause="validation_failed",
        failure_message="1 test failed",
        failure_output="E   ValueError: negative backoff\n",
        changed_paths=["src/waiting.py"],
    )
    passed = attempt(
        2,
        "PASSED",
        hint="clamp the exponent",
        summary="clamped it",
        changed_paths=["src/waiting.py", "tests/test_waiting.py"],
    )
    mitigation = {
        "run_id": "earlier",
        "phase_id": "one",
        "attempt": 1,
        "pattern_id": "python_missing_dep",
        "success": True,
        "fixed": False,
        "actions_taken": ["installed tenacity"],
        "suggestions": [],
        "doctor_call_skipped": False,
        "created_at": AT,
    }
    phase = {"run_id": "earlier", "phase_id": "one", "ordinal": 0, "tier": "t", "state": "COMPLETE"}

    def write(conn: sa.Connection) -> None:
        for table, rows in (
            (tables.plans, [{"plan_hash": "hash", "body": {}, "created_at": AT}]),
            (tables.runs, [run]),
            (tables.phases, [phase]),
            (tables.attempts, [failed, passed]),
            (tables.mitigations, [mitigation]),
        ):
            conn.execute(sa.insert(table), rows)
        conn.execute(
            sa.insert(error_logs),
            [
                {
                    "run_id": "earlier",
                    "phase_id": "one",
                    "attempt": 1,
                    "error_type": "validation_failed",
                    "pattern_id": "python_missing_dep",
                    "created_at": AT,
                }
            ],
        )

    db.transact(write)


def test_a_failure_is_found_with_what_made_it_pass(database: Database) -> None:
    store(database, "/projects/waiting")
    source = LedgerSource(database, "/projects/waiting")
    [found] = source.search(Query("negative backoff", paths=("src/waiting.py",)))
    assert found.locator == "ledger:earlier/one/1"
    told = source.read(found.locator).decode()
    assert told[found.start : found.end] == found.text
    for expected in (
        "Attempt 1 at phase one of run earlier failed: validation_failed.",
        "The failure: 1 test failed",
        "It changed: src/waiting.py",
        "Mitigation python_missing_dep: installed tenacity: it was not fixed.",
        "Attempt 2 passed after that.",
        "It had been told: clamp the exponent",
        "ValueError: negative backoff",
    ):
        assert expected in told
    # By the file alone, too.
    assert [one.locator for one in source.search(Query("waiting.py"))] == [found.locator]


def test_other_repositories_are_not_asked(database: Database) -> None:
    store(database, "/projects/waiting")
    assert LedgerSource(database, "/projects/other").search(Query("backoff")) == []
    assert len(LedgerSource(database, None).search(Query("backoff"))) == 1
