"""The tree of budgets on both engines: what is reserved, settled, raised and remembered."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from support.usage import record, usage_event

from autopack.ledger.budget import budget_tree, reservations
from autopack.model.budget import (
    Exhausted,
    Limits,
    Reservation,
    Resource,
    Scope,
)
from autopack.model.cap_period import Period
from autopack.model.errors import BadInput, NotFound, Refused
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState
from autopack.store import approvals, runs, tables
from autopack.store.approvals import Answer
from autopack.store.database.engine import now
from deployments.cli import run_command

HELD = Reservation(500, Decimal("0.5"), 10.0)


@pytest.fixture
def started(held):
    """An attempt of phase `one`, with what it may spend set aside."""
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    attempt = held.write(runs.start_attempt, "one", base_commit="b", builder="script", hint=None)
    held.db.transact(
        lambda conn: reservations.reserve(conn, AttemptKey("run-1", "one", attempt.attempt), HELD)
    )
    return held


def spend(db, tokens, cost):
    record(db, usage_event(run_id="run-1", total_tokens=tokens, cost=cost))


def test_a_reservation_counts_until_it_is_settled(started):
    run, phase = budget_tree.levels(started.db, "run-1", {"one": Limits(tokens=900)})
    assert (run.reserved.tokens, phase.reserved.tokens, phase.limits.tokens) == (500, 500, 900)
    spend(started.db, 120, Decimal("0.1"))
    started.db.transact(lambda conn: reservations.settle(conn, AttemptKey("run-1", "one", 1)))
    run, phase = budget_tree.levels(started.db, "run-1", {"one": Limits(tokens=900)})
    assert (run.reserved.tokens, run.spent.tokens) == (0, 120)
    assert phase.spent.cost == Decimal("0.1")


@pytest.mark.parametrize(("took", "counted"), [(3.0, 3.0), (600.0, 10.0)])
def test_a_build_counts_for_as_long_as_it_took_and_was_allowed_to(started, took, counted):
    def end(conn):
        begun = conn.scalar(sa.select(tables.attempts.c.started_at))
        built = begun + timedelta(minutes=took)
        conn.execute(sa.update(tables.attempts).values(built_at=built))

    assert budget_tree.levels(started.db, "run-1", {"one": Limits()})[1].spent.minutes == 0
    started.db.transact(end)
    phase = budget_tree.levels(started.db, "run-1", {"one": Limits(minutes=20)})[1]
    assert (phase.spent.minutes, phase.limits.minutes) == (pytest.approx(counted), 20)


def test_a_campaign_is_locked_by_who_reserves_from_it(database, new_run):
    budget_tree.set_campaign(database, "all", Limits(tokens=10))
    budget_tree.set_campaign(database, "all", Limits(tokens=20))
    runs.create_run(database, new_run(campaign_id="all"), [("one", "T1")])
    database.transact(lambda conn: reservations.lock_campaign(conn, "run-1"))
    campaign, *_ = budget_tree.levels(database, "run-1", {"one": Limits()})
    assert (campaign.scope, campaign.limits.tokens) == (Scope.CAMPAIGN, 20)
    with pytest.raises(NotFound):
        budget_tree.campaign_level(database, "none")


def ask(held, scope, resource=Resource.TOKENS):
    full = Exhausted(scope, "x", resource, "1", "2")
    held.write(approvals.ask, "one", "more?", exhausted=full)


@pytest.mark.parametrize(
    ("scope", "resource", "cap"),
    [
        (Scope.RUN, Resource.TOKENS, 6_000_000),
        (Scope.RUN, Resource.COST, Decimal("99.5")),
        (Scope.RUN, Resource.MINUTES, 500.5),
        (Scope.PHASE, Resource.TOKENS, 700),
        (Scope.PHASE, Resource.MINUTES, 12.5),
    ],
)
def test_an_answer_raises_the_cap_that_was_asked_about(held, scope, resource, cap):
    ask(held, scope, resource)
    given = Answer(approved=True, by="ann", new_cap=Decimal(str(cap)), resource=resource)
    approvals.answer(held.db, "run-1", given)
    found = budget_tree.levels(held.db, "run-1", {"one": Limits(tokens=5, minutes=6.0)})
    levels = {level.scope: level for level in found}
    assert getattr(levels[scope].limits, resource) == cap
    assert approvals.pending(held.db, "run-1") is None


@pytest.mark.parametrize("scope", [Scope.RUN, Scope.PHASE])
@pytest.mark.parametrize("cap", ["nan", "sNaN", "inf", "-1", "0", "1e20"])
@pytest.mark.parametrize("resource", Resource)
def test_an_answer_that_is_no_number_is_refused(held, scope, cap, resource):
    ask(held, scope, resource)
    given = Answer(approved=True, by="ann", new_cap=Decimal(cap), resource=resource)
    with pytest.raises(BadInput) as refused:
        approvals.answer(held.db, "run-1", given)
    assert refused.value.field in ("token_cap", "cost_cap", "minutes_cap")
    assert approvals.pending(held.db, "run-1") is not None


def test_an_answer_that_raises_nothing_is_refused(held):
    with pytest.raises(Refused):
        approvals.answer(held.db, "run-1", Answer(approved=True, by="ann"))
    ask(held, Scope.RUN)
    for given in (
        Answer(approved=True, by="ann"),
        Answer(approved=True, by="ann", new_cap=Decimal(9), resource=Resource.COST),
        Answer(approved=True, by="ann", new_cap=Decimal(9), resource=Resource.TOKENS),
    ):
        with pytest.raises(BadInput):
            approvals.answer(held.db, "run-1", given)
    assert approvals.pending(held.db, "run-1") is not None


@pytest.mark.parametrize(
    ("period", "at", "began", "ends"),
    [
        ("day", "2026-02-28T23:59:59+00:00", "2026-02-28", "2026-03-01"),
        ("day", "2026-03-01T00:30:00+01:00", "2026-02-28", "2026-03-01"),
        ("month", "2026-12-31T12:00:00+00:00", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29T00:00:00+00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_days_and_months_are_those_of_utc(period, at, began, ends):
    of = Period(period)
    moment = datetime.fromisoformat(at)
    assert of.began(moment).date().isoformat() == began
    assert of.ends(moment).date().isoformat() == ends


@pytest.mark.parametrize("period", list(Period))
def test_a_cap_of_a_period_counts_what_was_spent_in_it(database, new_run, period):
    budget_tree.set_campaign(database, "all", Limits(tokens=100), period)
    run = runs.create_run(database, new_run(campaign_id="all"), [("one", "T1")])
    with database.read() as conn:
        at = now(conn)
    before = period.began(at) - timedelta(seconds=1)
    old = usage_event(1, run_id=run.run_id, total_tokens=500, created_at=before)
    record(database, old, usage_event(2, run_id=run.run_id, total_tokens=60))
    level = budget_tree.campaign_level(database, "all")
    assert (level.spent.tokens, level.again_at) == (60, period.ends(at))
    budget_tree.check_period(level)
    record(database, usage_event(3, run_id=run.run_id, total_tokens=60))
    level = budget_tree.campaign_level(database, "all")
    with pytest.raises(Refused, match=f"120 of 100 tokens of this {period} are used up") as caught:
        budget_tree.check_period(level)
    assert f"may start at {period.ends(at):%Y-%m-%dT00:00:00Z}" in caught.value.message
    budget_tree.set_campaign(database, "all", Limits(tokens=1000))
    level = budget_tree.campaign_level(database, "all")
    assert (level.spent.tokens, level.period, level.again_at) == (620, None, None)


@pytest.mark.parametrize(
    ("then", "lifted"),
    [
        (["--tokens", "9"], ["2.5 US dollars", "30.0 minutes"]),
        (["--cost", "1", "--minutes", "2"], ["1,000 tokens"]),
        (["--tokens", "9", "--cost", "1", "--minutes", "2"], []),
        (["--none"], ["1,000 tokens", "2.5 US dollars", "30.0 minutes"]),
    ],
)
def test_a_cap_that_is_not_named_is_lifted_and_that_is_said(
    tmp_path, monkeypatch, capsys, then, lifted
):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    command = ["budget", "set", "spring"]
    assert run_command([*command, "--tokens", "1000", "--cost", "2.5", "--minutes", "30"]) == 0
    assert "lifted" not in capsys.readouterr().err

    assert run_command([*command, *then]) == 0

    said = [line for line in capsys.readouterr().err.splitlines() if "lifted" in line]
    assert said == [f"lifted the cap of {one}" for one in lifted]


def test_a_call_without_a_cap_lifts_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    run_command(["budget", "set", "spring", "--tokens", "1000"])

    assert run_command(["budget", "set", "spring"]) == 2

    assert "--tokens, --cost or --minutes" in capsys.readouterr().err
    run_command(["budget", "show", "spring", "--json"])
    assert '"tokens": 1000' in capsys.readouterr().out
