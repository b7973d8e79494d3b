"""The table of a fleet: what is running, what is stuck, what it cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from autopack.model.states import RunState
from autopack.views.board import (
    Kind,
    board,
    headline,
    kind_of,
    line,
    simulated_text,
)
from autopack.views.fleet_standing import Standing

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORKS = Standing(
    run_id="n-1",
    state=RunState.PHASE_EXECUTION,
    flow_run_id="f1",
    phases=4,
    completed=1,
    phase="slugify",
    since=AT,
    question=None,
    failure_reason=None,
    silent_since=None,
    interrupted=False,
    tokens=9878,
    unknown_builds=0,
    cost=Decimal("0.0454"),
)
TO_COME = replace(
    WORKS, run_id="n-2", state=RunState.RUN_CREATED, flow_run_id=None, phase=None, tokens=0,
    cost=Decimal(0), completed=0, since=None,
)  # fmt: skip
DONE = replace(WORKS, run_id="n-3", state=RunState.DONE_SUCCESS, phase=None, completed=4)
FAILED = replace(
    DONE, run_id="n-4", state=RunState.DONE_FAILED_ENVIRONMENT, failure_reason="no | pip\nhere"
)
WAITS = replace(WORKS, run_id="n-5", state=RunState.AWAITING_APPROVAL, question="60 of 50 tokens")
SILENT = replace(WORKS, run_id="n-6", silent_since=AT)
GIVEN_BACK = replace(WORKS, run_id="n-7", interrupted=True, phase=None)


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (WORKS, Kind.WORKS),
        (TO_COME, Kind.TO_COME),
        (DONE, Kind.DONE),
        (FAILED, Kind.FAILED),
        (WAITS, Kind.WAITS),
        (SILENT, Kind.STUCK),
        (GIVEN_BACK, Kind.STUCK),
    ],
)
def test_what_a_run_is_to_whoever_watches(run: Standing, kind: Kind) -> None:
    assert kind_of(run) is kind


def test_the_headline_says_how_many_of_each_and_what_they_cost() -> None:
    said = headline([DONE, WORKS, WORKS, SILENT, WAITS])
    assert said == ("1 stuck · 1 waiting for a person · 2 at work · 1 done · 49,390 tokens · $0.23")


def test_one_unknown_price_makes_the_cost_unknown() -> None:
    assert headline([DONE, replace(DONE, cost=None)]).endswith("cost unknown")


def test_runs_that_need_somebody_come_first() -> None:
    text = board([TO_COME, DONE, WORKS, WAITS, FAILED, SILENT], lambda _: None)
    rows = [row.split(" | ")[0] for row in text.splitlines()[4:]]
    assert rows == ["| n-6", "| n-5", "| n-4", "| n-1", "| n-2", "| n-3"]


@pytest.mark.parametrize(
    ("run", "row"),
    [
        (WORKS, "| [n-1](/f1) | at work | 01-02 03:04:05 | 1/4 | 9,878 | $0.05 | slugify |"),
        (TO_COME, "| n-2 | to come |  | 0/4 | 0 | $0.00 |  |"),
        (
            FAILED,
            "| [n-4](/f1) | failed | 01-02 03:04:05 | 4/4 | 9,878 | $0.05"
            " | DONE_FAILED_ENVIRONMENT: no \\| pip here |",
        ),
        (
            WAITS,
            "| [n-5](/f1) | waiting for a person | 01-02 03:04:05 | 1/4 | 9,878 | $0.05"
            " | 60 of 50 tokens |",
        ),
        (
            GIVEN_BACK,
            "| [n-7](/f1) | stuck | 01-02 03:04:05 | 1/4 | 9,878 | $0.05"
            " | interrupted: autopack resume n-7 |",
        ),
    ],
)
def test_a_row_says_what_goes_on(run: Standing, row: str) -> None:
    assert board([run], lambda flow_run: f"/{flow_run}").splitlines()[-1] == row


def test_one_run_in_a_line() -> None:
    assert line(WORKS) == "PHASE_EXECUTION · 9,878 tokens · $0.05 · 1 of 4 phases · slugify"
    assert line(DONE) == "DONE_SUCCESS · 9,878 tokens · $0.05 · 4 of 4 phases"
    assert line(FAILED).endswith(" · 4 of 4 phases · no | pip\nhere")


def test_a_long_reason_leaves_room_for_the_figures() -> None:
    long = replace(FAILED, failure_reason="word " * 100)
    row = board([long], lambda _: None).splitlines()[-1]
    assert row.endswith("word… |")
    assert len(row) < 200


@pytest.mark.parametrize(
    ("simulated", "calls", "words"),
    [
        (0, 7, ""),
        # One that was paid for is enough: something was paid.
        (3, 7, " (3 of 7 calls simulated)"),
        (6, 7, " (6 of 7 calls simulated)"),
        (7, 7, " (simulated: nothing was paid)"),
    ],
)
def test_nothing_was_paid_only_where_every_call_was_simulated(
    simulated: int, calls: int, words: str
) -> None:
    assert simulated_text(simulated, calls) == words
