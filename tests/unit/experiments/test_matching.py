"""Lists of recorded runs: matched into pairs, judged and analysed, on each engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from support.ended_runs import Ran

from autopack.experiments.concluding import conclude_runs
from autopack.experiments.recorded.ends import End
from autopack.experiments.recorded.from_runs import run_facts
from autopack.experiments.recorded.matching import match_runs
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.ledger.consolidated import consolidated_tokens
from autopack.ledger.events.usage_events import record_events
from autopack.model.errors import BadInput, NotFound
from autopack.model.states import PhaseState, RunState
from autopack.store import tables
from autopack.store.experiment_records import get_results
from autopack.store.usage_event import UsageEvent

WORK = {"failure_cause": "assertion_failure", "state": PhaseState.FAILED}
DONE = {"state": PhaseState.COMPLETE}
REVIEW, SPENT = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, RunState.DONE_FAILED_BUDGET_EXHAUSTED


@pytest.mark.parametrize(
    ("state", "phases", "run", "end"),
    [
        (REVIEW, WORK, {}, End.FAILED),
        # all was done, and the repository or the remote did not take the branch
        (REVIEW, DONE, {"push": "central", "push_error": "gone"}, End.UNDELIVERED),
        (REVIEW, DONE, {"failure_reason": "branch autopack/r was not published"}, End.UNDELIVERED),
        (REVIEW, DONE, {"final_check": {"passed": True}}, End.UNDELIVERED),
        (REVIEW, WORK, {"push": "central", "push_error": "gone"}, End.FAILED),
        # all was done, and does not hold in a fresh checkout
        (REVIEW, DONE, {"final_check": {"passed": False}}, End.FAILED),
        (REVIEW, {"state": PhaseState.SKIPPED}, {}, End.FAILED),
        # whose budget, and whose fault
        (SPENT, WORK, {"failure_reason": "run r: 10 of 10 tokens are used up"}, End.OWN_BUDGET),
        (
            SPENT,
            WORK,
            {"campaign_id": "t", "failure_reason": "campaign t: 3 of 2 US dollars are used up"},
            End.SHARED_BUDGET,
        ),
        (
            SPENT,
            WORK,
            {
                "failure_reason": "run r: the cap of 2 US dollars cannot hold, for 1 calls have no "
                "known price; 0 are spent on the others"
            },
            End.NO_PRICE,
        ),
        (SPENT, WORK | {"failure_cause": "provider_error"}, {}, End.INFRASTRUCTURE),
        (REVIEW, WORK | {"failure_cause": "builder_error"}, {}, End.INFRASTRUCTURE),
    ],
)
def test_how_a_run_ended_is_read_from_what_was_recorded(
    database: Any, ran: Ran, state: RunState, phases: dict[str, Any], run: dict[str, Any], end: End
) -> None:
    ran("r", 10, state=state)

    def write(conn: sa.Connection) -> None:
        conn.execute(sa.update(tables.runs).values(run or {"push": None}))
        conn.execute(sa.update(tables.phases).values(phases))

    database.transact(write)
    assert run_facts(database, ["r"])["r"].arm.end is end


def test_a_pause_is_not_wall_time(database: Any, ran: Ran) -> None:
    ran("r", 10)
    database.transact(lambda conn: conn.execute(sa.update(tables.runs).values(elapsed_seconds=4.5)))
    assert run_facts(database, ["r"])["r"].metrics["wall_seconds"] == 4.5


@pytest.mark.parametrize("worked", [None, 4.5])
def test_a_clock_that_was_set_back_makes_no_negative_time(
    database: Any, ran: Ran, worked: float | None
) -> None:
    ran("r", 10)
    runs = tables.runs
    later = sa.select(runs.c.finished_at).scalar_subquery()
    values = {"started_at": later, "finished_at": runs.c.started_at, "elapsed_seconds": worked or 0}
    database.transact(lambda conn: conn.execute(sa.update(runs).values(values)))
    assert run_facts(database, ["r"])["r"].metrics["wall_seconds"] == worked


def test_a_run_counts_for_what_was_recorded_of_it(database: Any, ran: Ran) -> None:
    ran("failed", 1000, state=RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, doctor=300)
    facts = run_facts(database, ["failed"])["failed"]
    assert (facts.success, facts.fraction, facts.arm.tokens) == (False, 0.5, 1000)
    assert facts.metrics == {
        "builder_tokens": 700,
        "doctor_tokens": 300,
        "doctor_calls": 1,
        "doctor_calls_skipped": 0,
        "retries": 0,
        "wall_seconds": 9.0,
        "cost": None,
    }


def test_runs_are_matched_by_plan_and_order(database: Any, ran: Ran) -> None:
    control = [ran("c1", 10, plan=1), ran("c2", 10), ran("c3", 10)]
    treatment = [ran("t1", 5), ran("t2", 5), ran("t3", 5, plan=1)]
    pairs = match_runs(database, control, treatment, varies=None)
    assert [(pair.control, pair.treatment) for pair in pairs] == [
        ("c1", "t3"),
        ("c2", "t1"),
        ("c3", "t2"),
    ]
    assert pairs[1].plan == pairs[2].plan != pairs[0].plan


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    """SQLite, but for what is stored."""
    return getattr(request, "param", "sqlite")


def test_a_run_without_a_partner_is_named(database: Any, ran: Ran) -> None:
    ran("c1", 10)
    ran("t1", 10)
    ran("t2", 10, plan=1)
    with pytest.raises(BadInput, match="run t2 has no partner"):
        match_runs(database, ["c1"], ["t1", "t2"], varies=None)
    with pytest.raises(BadInput, match="run c1 has no partner"):
        match_runs(database, ["c1"], ["t2"], varies=None)
    with pytest.raises(NotFound):
        match_runs(database, ["c1"], ["nobody"], varies=None)


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)
def test_what_lists_of_runs_show_is_kept(database: Any, ran: Ran) -> None:
    on = ("failure_hardening",)
    control = [ran(f"c{n}", 1000 + n, plan=n % 2) for n in range(4)]
    treatment = [ran(f"t{n}", 700 - n, plan=n % 2, enable=on) for n in range(3)]
    treatment.append(ran("t3", 700, plan=1, enable=on, commit_sha="another"))
    analysis = conclude_runs(database, control, treatment, varies=None, protocol=AnalysisProtocol())
    assert (analysis.n_pairs, analysis.n_void) == (3, 1)
    assert analysis.void_reasons == {"commit differs": 1}
    assert analysis.warnings[0] == "the treatment was not declared: the arms differ in features"
    assert get_results(database, analysis.test_id) == [analysis.model_dump(mode="json")]
    # what a run saved is for its own registered pair to say
    claims = [consolidated_tokens(database, run_id).claimed for run_id in treatment]
    assert [one and one.ab_tokens_saved_measured for one in claims] == [None] * 4
    assert analysis.metric_descriptions["builder_tokens"].control.mean == 1001
    assert analysis.pairs[0].control_metrics["wall_seconds"] == 9.0


def test_a_run_in_two_pairs_makes_both_void(database: Any, ran: Ran) -> None:
    ran("c1", 10)
    ran("c2", 10)
    ran("t1", 5)
    analysis = conclude_runs(
        database, ["c1", "c2"], ["t1", "t1"], varies=None, protocol=AnalysisProtocol()
    )
    assert analysis.void_reasons == {"run shared between pairs": 2}


@pytest.mark.parametrize(
    ("varies", "treatment", "void"),
    [
        # nothing was declared: what the first pair has is the treatment
        (None, {"enable": ("failure_hardening",)}, {}),
        (None, {"builder_options": {"seed": "2"}}, {}),
        # but a model has to be declared
        (None, {"model": "large"}, {"model mapping differs": 1, "models differs": 1}),
        (["model"], {"model": "large"}, {}),
        # and what is declared is all that may differ
        (
            ["model"],
            {"enable": ("failure_hardening",)},
            {"feature set differs": 1, "features differs": 1},
        ),
        (["features"], {"prompt_hash": "x"}, {"prompt differs": 1}),
    ],
)
def test_the_treatment_of_lists_is_declared_or_found(
    database: Any, ran: Ran, varies: Any, treatment: dict[str, Any], void: dict[str, int]
) -> None:
    ran("c", 10)
    ran("t", 5, **treatment)
    analysis = conclude_runs(database, ["c"], ["t"], varies=varies, protocol=AnalysisProtocol())
    assert analysis.void_reasons == void


def test_every_pair_has_the_treatment_of_the_first(database: Any, ran: Ran) -> None:
    ran("c1", 10)
    ran("c2", 10)
    ran("t1", 5, enable=("failure_hardening",))
    ran("t2", 5, enable=("intention_context",))
    analysis = conclude_runs(
        database, ["c1", "c2"], ["t1", "t2"], varies=None, protocol=AnalysisProtocol()
    )
    assert "features of treatment is not as declared" in analysis.void_reasons
    assert analysis.n_void == 1


@pytest.mark.parametrize(
    ("treatment", "said"),
    [
        ({}, "the arms differ in nothing"),
        ({"enable": ("failure_hardening",)}, "the arms differ in features"),
        (
            {"model": "large"},
            "the arms differ in model. Another model has to be declared: --varies model",
        ),
        (
            {"model": "large", "enable": ("failure_hardening",)},
            "the arms differ in features and model. Another model has to be declared: "
            "--varies features --varies model",
        ),
    ],
)
def test_a_treatment_that_was_not_declared_is_named(
    database: Any, ran: Ran, treatment: dict[str, Any], said: str
) -> None:
    ran("c", 10)
    ran("t", 5, **treatment)
    analysis = conclude_runs(database, ["c"], ["t"], varies=None, protocol=AnalysisProtocol())
    assert analysis.warnings[0] == f"the treatment was not declared: {said}"


def test_a_metric_that_runs_do_not_have_is_refused(database: Any, ran: Ran) -> None:
    ran("c", 10)
    ran("t", 5)
    with pytest.raises(BadInput, match="no metric 'doctor_call'; did you mean doctor_calls"):
        conclude_runs(
            database, ["c"], ["t"], varies=None, protocol=AnalysisProtocol(metrics=("doctor_call",))
        )


def met(database: Any, *run_ids: str) -> None:
    """Let a known failure have been met in these runs."""
    values = {
        "phase_id": "one",
        "attempt": 1,
        "pattern_id": "python_missing_dep",
        "success": True,
        "fixed": True,
        "actions_taken": [],
        "suggestions": [],
        "doctor_call_skipped": False,
        "created_at": datetime(2026, 3, 1, tzinfo=UTC),
    }
    rows = [values | {"run_id": run_id} for run_id in run_ids]
    database.transact(lambda conn: conn.execute(sa.insert(tables.mitigations), rows))


@pytest.mark.parametrize("acted", [0, 2, 8])
def test_a_treatment_that_never_acted_has_no_effect(database: Any, ran: Ran, acted: int) -> None:
    on = ("failure_hardening",)
    control = [ran(f"c{n}", 1000 + n) for n in range(8)]
    treatment = [ran(f"t{n}", 700 - n, enable=on) for n in range(8)]
    if acted:
        met(database, *treatment[:acted])
    analysis = conclude_runs(
        database,
        control,
        treatment,
        varies=["features"],  # pyright: ignore[reportArgumentType]
        protocol=AnalysisProtocol(),  # pyright: ignore[reportArgumentType]
    )
    [exposure] = analysis.exposure
    assert (exposure.treatment, exposure.acted, exposure.pairs) == ("failure_hardening", acted, 8)
    assert [pair.runs and pair.runs.exposure for pair in analysis.pairs] == [
        {"failure_hardening": n < acted} for n in range(8)
    ]
    said = f"failure_hardening matched a failure in {acted} of 8 pairs"
    if acted == 0:
        assert analysis.decision == "INVALID"
        assert analysis.sentence == (
            f"INVALID: {said}: the treatment never acted, so nothing is its effect."
        )
    else:
        assert analysis.decision != "INVALID"
        assert (said in analysis.sentence) is (acted < 8)


@pytest.mark.parametrize(("seen", "decision"), [("large-20260301", False), ("small", True)])
def test_a_model_that_the_ledger_never_saw_was_not_tried(
    database: Any, ran: Ran, seen: str, decision: bool
) -> None:
    ran("c", 10)
    ran("t", 5, model="large")
    # The triggers keep every other change out of the ledger.
    database.transact(
        lambda conn: record_events(
            conn,
            [
                UsageEvent(
                    event_key="more",
                    run_id="t",
                    phase_id="one",
                    attempt=1,
                    provider="p",
                    model=seen,
                    role="builder",
                    category="base",
                    total_tokens=1,
                )
            ],
        )
    )
    analysis = conclude_runs(database, ["c"], ["t"], varies=["model"], protocol=AnalysisProtocol())  # pyright: ignore[reportArgumentType]
    assert (analysis.decision == "INVALID") is decision
    assert ("the declared model was seen in 0 of 1 pairs" in analysis.sentence) is decision
