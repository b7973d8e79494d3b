"""What a doctor call that was not made would have used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.usage import record, usage_event

from autopack.metrics.estimates import Estimate, estimate_doctor_tokens
from autopack.store import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


def doctor_calls(db: Database, run_id: str, tier: str | None, *totals: int) -> None:
    """Calls one second apart, in this order, after all that are there."""
    with db.read() as conn:
        before = conn.exec_driver_sql("SELECT count(*) FROM llm_usage_events").scalar_one()
    events = [
        usage_event(
            before + n,
            run_id=run_id,
            role="doctor",
            category="second_opinion",
            total_tokens=total,
            is_doctor_call=True,
            doctor_model=tier,
            created_at=START + timedelta(seconds=before + n),
        )
        for n, total in enumerate(totals)
    ]
    record(db, *events)


# calls as (run, model tier, totals), the tier asked for, the estimate for run r
CASES = {
    "nothing, cheap": ([], "cheap", Estimate(10_000, "fallback", 0)),
    "nothing, strong": ([], "strong", Estimate(15_000, "fallback", 0)),
    "nothing, unknown": ([], None, Estimate(12_000, "fallback", 0)),
    "two are no sample": ([("r", "cheap", [1, 3])], "cheap", Estimate(10_000, "fallback", 0)),
    "three are one": ([("r", "cheap", [9, 1, 5])], "cheap", Estimate(5, "run_local", 3)),
    "an even sample": ([("r", "cheap", [1, 40, 20, 100])], "cheap", Estimate(30, "run_local", 4)),
    "a half is rounded up": (
        [("r", "cheap", [1, 10, 11, 100])],
        "cheap",
        Estimate(11, "run_local", 4),
    ),
    "another tier does not count": (
        [("r", "strong", [1, 2, 3]), ("s", "cheap", [7, 8, 9])],
        "cheap",
        Estimate(8, "global", 3),
    ),
    "the own run counts in global": (
        [("r", "cheap", [10, 20]), ("s", "cheap", [30])],
        "cheap",
        Estimate(20, "global", 3),
    ),
    "an unknown tier takes all": (
        [("r", "strong", [1]), ("r", "cheap", [2]), ("r", None, [3])],
        None,
        Estimate(2, "run_local", 3),
    ),
    "only the last hundred": (
        [("s", "cheap", [1_000_000] * 150), ("s", "cheap", [1] * 49 + [2] * 2 + [3] * 49)],
        "cheap",
        Estimate(2, "global", 100),
    ),
    "a run's own are all looked at": (
        [("r", "cheap", [1] * 120 + [9] * 81)],
        "cheap",
        Estimate(1, "run_local", 201),
    ),
}


@pytest.mark.parametrize(("calls", "tier", "expected"), CASES.values(), ids=CASES)
def test_an_estimate(database: Database, calls, tier, expected: Estimate) -> None:
    for run_id, model, totals in calls:
        doctor_calls(database, run_id, model, *totals)
    with database.read() as conn:
        assert estimate_doctor_tokens(conn, "r", tier) == expected
