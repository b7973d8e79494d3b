"""What research leaves in the database, on either engine."""

from __future__ import annotations

from typing import Any

from autopack.ledger.budget import reservations
from autopack.model.budget import Amounts, Reservation
from autopack.model.ids import AttemptKey
from autopack.store import Database
from autopack.store.research_records import (
    AnswerRow,
    get_answers,
    get_finding,
    get_report,
    record_answer,
    record_finding,
    record_report,
    research_spend,
)

FINDING: dict[str, Any] = {"text": "Why?", "evidence": [{"claim": "a\x00b"}], "own": [1]}


def test_an_answer_is_kept_once_and_given_back_as_it_was(database: Database, run: Any) -> None:
    first = AnswerRow(step="write", number=1, answer={"claims": []}, problem=None)
    other = AnswerRow(step="write", number=2, answer=None, problem="no\x00 JSON")
    for row in (first, other, AnswerRow(step="write", number=1, answer={}, problem="again")):
        database.transact(lambda conn, row=row: record_answer(conn, run.run_id, "one", row))
    found = get_answers(database, run.run_id, "one")
    assert [(one.number, one.answer) for one in found] == [(1, {"claims": []}), (2, None)]
    assert found[1].problem == "no\ufffd JSON"
    assert get_answers(database, run.run_id, "two") == []


def test_a_report_and_what_was_found_are_kept_once(held: Any) -> None:
    db, lease = held.db, held.lease
    for report in ({"report_id": "a"}, {"report_id": "b"}):
        db.transact(lambda conn, report=report: record_report(conn, lease, "one", report))
    assert get_report(db, lease.run_id, "one") == {"report_id": "a"}
    assert get_report(db, lease.run_id, "two") is None
    for key in ("k", "k"):
        db.transact(lambda conn, key=key: record_finding(conn, lease, "one", key, FINDING))
    found = get_finding(db, "k")
    assert found is not None
    assert (found.finding, found.phase_id) == (FINDING, "one")
    assert get_finding(db, "other") is None


def test_calls_that_told_nothing_count_with_what_was_set_aside(held: Any) -> None:
    db, run_id = held.db, held.lease.run_id
    key = AttemptKey(run_id, "one", 0)

    def reserve(conn: Any) -> None:
        for call in (1, 2):
            held_for = Reservation(1_000, None, 1.0)
            reservations.reserve(conn, key, held_for, role="research", call=call)
        reservations.settle_call(conn, key, "research", 1, Amounts(40))

    db.transact(reserve)
    spent = research_spend(db, run_id, "one")
    assert (spent.calls, spent.tokens) == (2, 1_040)
