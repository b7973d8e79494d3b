"""What is measured of stored phases, on both engines: both arms, failures, and what is unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from support.usage import record, usage_event
from unit.store.conftest import NEW_RUN

from autopack.ledger.consolidated import consolidated_tokens
from autopack.mining.savings.savings import as_json, savings
from autopack.model.ids import AttemptKey
from autopack.store.database.engine import Database
from autopack.store.intents import open_intent
from autopack.store.pattern_hits import HitRow, note_outcome
from autopack.store.runs import create_run

Hitting = Callable[..., HitRow]


def phase(
    db: Database,
    hit: Hitting,
    number: int,
    arm: str,
    tokens: int | None,
    outcome: str | None,
    share: float = 0.5,
) -> None:
    """A phase of a run of its own in an arm, with what it used and how it ended."""
    row = hit(number, state="mitigate", seed="1", share=share, draw=share / 2, arm=arm)
    if outcome is not None:
        db.transact(lambda conn: note_outcome(conn, row.run_id, "one", outcome))
    if tokens is not None:
        event = usage_event(
            run_id=row.run_id, phase_id="one", total_tokens=tokens, cost=Decimal(tokens) / 1_000
        )
        record(db, event)


def test_nothing_is_measured_without_a_draw(database: Database, hit: Hitting) -> None:
    assert savings(database) == []
    hit(1, state="mitigate")
    assert savings(database) == []


def test_both_arms_are_told_with_what_is_unknown(database: Database, hit: Hitting) -> None:
    for number in range(10):
        phase(database, hit, number, "treated", 100 + number % 3, "COMPLETE")
    for number in range(10, 20):
        phase(database, hit, number, "held_out", 200 + number % 4, "FAILED")
    phase(database, hit, 20, "treated", None, "FAILED")
    phase(database, hit, 21, "held_out", 999, None)
    (found,) = [as_json(one) for one in savings(database)]
    assert (found["n_treated"], found["n_held_out"]) == (11, 10)
    assert (found["n_open"], found["n_unknown"]) == (1, 1)
    assert found["tokens"]["saved_a_phase"] == pytest.approx(100.6, abs=0.5)
    assert found["ratio"] == pytest.approx(0.5, abs=0.01)
    assert found["ci"]["lo"] < 0.5 < found["ci"]["hi"] < 1
    assert found["cost"]["treated"] == pytest.approx(0.1009, abs=1e-3)
    assert found["cost_ratio"]["ratio"] == pytest.approx(0.5, abs=0.01)
    assert found["success"]["difference"] == pytest.approx(10 / 11)
    assert found["modelled"] == {"tokens_a_phase": None, "phases": 0}
    assert found["calibration"] is None
    json.dumps(found)


def test_few_phases_have_no_interval(database: Database, hit: Hitting) -> None:
    phase(database, hit, 1, "treated", 100, "COMPLETE")
    phase(database, hit, 2, "held_out", 200, "COMPLETE")
    (found,) = savings(database)
    assert found.token_ratio.value == pytest.approx(0.5)
    assert (found.token_ratio.lo, found.token_ratio.hi) == (None, None)


def test_a_run_is_told_what_its_mitigations_saved(database: Database, hit: Hitting) -> None:
    for number, arm, tokens in ((1, "treated", 100), (2, "held_out", 300), (3, "held_out", 500)):
        phase(database, hit, number, arm, tokens, "COMPLETE")
    create_run(database, replace(NEW_RUN, features=("consolidated_metrics",)), [("one", "T1")])
    claimed = consolidated_tokens(database, "run-1").claimed
    assert claimed is not None
    assert claimed.mitigations_saved_measured is None
    phase(database, hit, 4, "treated", 200, "FAILED")
    claimed = consolidated_tokens(database, "run-1").claimed
    assert claimed is not None
    assert claimed.mitigations_saved_measured == 250


def replay(db: Database, number: int, original: str) -> None:
    """The run ``number`` replays another one."""
    new = replace(NEW_RUN, run_id=f"run-{number}", branch=f"b-{number}", replay_of=original)
    create_run(db, new, [("one", "T1")])


def test_replays_are_no_further_runs(database: Database, hit: Hitting) -> None:
    phase(database, hit, 1, "treated", 100, "COMPLETE")
    phase(database, hit, 2, "held_out", 900, "COMPLETE")
    for number in range(3, 23):
        treated = number % 2
        replay(database, number, "run-1" if treated else "run-2")
        arm, tokens = ("treated", 100) if treated else ("held_out", 900)
        phase(database, hit, number, arm, tokens + number, "COMPLETE")
    (found,) = savings(database)
    assert (found.treated, found.held_out, found.token_ratio.blocks) == (11, 11, 1)
    assert (found.token_ratio.lo, found.token_ratio.hi) == (None, None)
    create_run(database, replace(NEW_RUN, features=("consolidated_metrics",)), [("one", "T1")])
    claimed = consolidated_tokens(database, "run-1").claimed
    assert claimed is not None
    assert claimed.mitigations_saved_measured is None


def test_a_phase_of_which_a_part_is_unknown_is_unknown(database: Database, hit: Hitting) -> None:
    for number, arm, tokens in (
        (1, "treated", 100),
        (2, "treated", 100),
        (3, "treated", 1),
        (4, "held_out", 300),
        (5, "held_out", 300),
    ):
        phase(database, hit, number, arm, tokens, "COMPLETE")
    database.transact(lambda conn: open_intent(conn, AttemptKey("run-3", "one", 1), "builder"))
    (found,) = savings(database)
    assert (found.unknown, found.treated, found.tokens.treated) == (1, 3, 100)
    assert found.cost.treated == pytest.approx(0.1)
    create_run(database, replace(NEW_RUN, features=("consolidated_metrics",)), [("one", "T1")])
    claimed = consolidated_tokens(database, "run-1").claimed
    assert claimed is not None
    assert claimed.mitigations_saved_measured == 200


def test_a_changed_share_does_not_pass_for_a_saving(database: Database, hit: Hitting) -> None:
    # First hard phases with few held out, then easy ones with half: the mitigation does nothing.
    of_hard = [(0.1, 1_000, "treated")] * 9 + [(0.1, 1_000, "held_out")]
    of_easy = [(0.5, 100, "treated")] * 5 + [(0.5, 100, "held_out")] * 5
    for number, (share, tokens, arm) in enumerate([*of_hard, *of_easy], 1):
        phase(database, hit, number, arm, tokens, "COMPLETE", share)
    (found,) = savings(database)
    assert found.tokens.difference == pytest.approx(0, abs=1e-9)
    create_run(database, replace(NEW_RUN, features=("consolidated_metrics",)), [("one", "T1")])
    claimed = consolidated_tokens(database, "run-1").claimed
    assert claimed is not None
    assert claimed.mitigations_saved_measured == 0
