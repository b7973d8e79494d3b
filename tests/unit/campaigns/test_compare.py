"""Lanes are compared by what says something of the agent, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from support.campaigns import Ended, close, plan, stored

from autopack.campaigns.campaign_report import to_html, to_markdown
from autopack.campaigns.compare import CampaignReport, compare
from autopack.model.states import PhaseState, RunState
from autopack.store import tables
from autopack.store.database.engine import Database

GOOD, BAD = RunState.DONE_SUCCESS, RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
AWAY, CANCELLED = RunState.DONE_FAILED_ENVIRONMENT, RunState.DONE_CANCELLED
Compared = Callable[..., CampaignReport]


@pytest.fixture
def engine_name() -> str:
    return "sqlite"


@pytest.fixture
def compared(database: Database, ended: Ended) -> Compared:
    """The report on items, each the ends of original, baseline and candidate."""

    def report(*items: tuple[RunState, ...], met: bool = True) -> CampaignReport:
        baseline = len(items[0]) == 3
        for number, (original, *_) in enumerate(items):
            ended(f"r{number}", original)
            database.transact(
                lambda conn, one=f"r{number}", state=original: conn.execute(
                    sa.update(tables.phases)
                    .where(tables.phases.c.run_id == one)
                    .values(
                        state=PhaseState.FAILED,
                        failure_cause="provider_error" if state is AWAY else "assertion_failure",
                    )
                )
            )
        planned = plan(
            database, baseline=baseline, run_ids=tuple(f"r{n}" for n in range(len(items)))
        )
        stored(database, planned)
        for number, (_, *replays) in enumerate(items, start=1):
            lanes = ("baseline", "candidate") if baseline else ("candidate",)
            for lane, state in zip(lanes, replays, strict=True):
                close(database, f"c-{number}-{lane}", state, met=met and lane == "candidate")
        return compare(database, planned.campaign)

    return report


def test_an_end_that_is_no_outcome_is_counted_nowhere(compared: Compared) -> None:
    report = compared(
        (BAD, BAD, GOOD),
        (BAD, GOOD, GOOD),
        (BAD, AWAY, GOOD),  # the provider was away
        (BAD, BAD, CANCELLED),
        (AWAY, BAD, GOOD),  # there is no original to compare with
    )
    lanes = report.lanes
    assert {name: (one.runs, one.outcomes, one.successes) for name, one in lanes.items()} == {
        "original": (5, 4, 0),
        "baseline": (5, 4, 1),
        "candidate": (5, 4, 4),
    }
    assert report.effect is not None
    assert report.effect.diff == pytest.approx(2 / 3)  # of the three pairs that count
    assert report.naive is not None
    assert report.regression_to_the_mean is not None
    # of the two items whose runs all count, what features and chance bring makes up the whole
    assert report.naive.diff == 1
    assert report.regression_to_the_mean.diff == 0.5
    assert "baseline: 1 run ended without an outcome: infrastructure failure (1)" in report.notes
    assert "candidate: 1 run ended without an outcome: cancelled (1)" in report.notes
    assert "original: 1 run ended without an outcome: infrastructure failure (1)" in report.notes
    assert report.sentence.startswith("Of 4 replayed runs with an outcome, 4 succeeded")
    assert report.items[2].baseline is not None
    assert report.items[2].baseline.outcome == "void"


def test_nothing_but_outages_says_nothing(compared: Compared) -> None:
    report = compared((BAD, AWAY, AWAY), (BAD, AWAY, CANCELLED))
    assert report.naive is report.effect is report.regression_to_the_mean is None
    assert report.lanes["candidate"].success_rate is None
    assert "none ended with an outcome" in report.sentence
    assert "infrastructure failure (2)" in to_markdown(report)
    assert "cancelled (1)" in to_html(report)


def test_without_a_baseline_the_naive_figure_counts_the_same_ends(compared: Compared) -> None:
    report = compared((BAD, GOOD), (BAD, BAD), (AWAY, GOOD), (BAD, AWAY))
    assert report.naive is not None
    assert report.naive.diff == 0.5


def test_features_that_never_acted_brought_nothing(compared: Compared) -> None:
    report = compared((BAD, BAD, GOOD), (BAD, BAD, GOOD), met=False)
    assert "the features never acted, so the difference of +100.0 points" in report.sentence
    assert "failure_hardening matched a failure in 0 of 2 pairs" in report.notes
