"""The usage ledger: every call once, never changed, and sums that agree."""

import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import exc
from support.usage import SPLIT, record, usage_event

from autopack.ledger.events import usage_events
from autopack.ledger.events.usage_events import event_key, record_events
from autopack.model.ids import AttemptKey
from autopack.store import intents
from autopack.store.tables import llm_usage_events
from autopack.store.usage_event import UsageEvent


def event(number, **changes):
    known = {"run_id": "run-1", "reasoning_tokens": 5, "cost": Decimal("0.000012345678")}
    return usage_event(number, **SPLIT | known | changes)


UNSPLIT = {
    "input_tokens": None,
    "cache_read_tokens": None,
    "cache_write_tokens": None,
    "output_tokens": None,
    "reasoning_tokens": None,
}


def test_recording_again_adds_nothing(database):
    assert record(database, event(1), event(2)) == 2
    assert record(database, event(2), event(3), event(3)) == 1
    assert usage_events.token_totals(database, "run-1").events == 3
    assert record(database) == 0


def test_totals_agree_with_each_other(database):
    record(
        database,
        event(1),
        event(2, role="doctor", category="second_opinion", is_doctor_call=True),
        event(3, phase_id="two", total_tokens=7, source="estimated", **UNSPLIT),
        event(4, run_id="another"),
    )
    totals = usage_events.token_totals(database, "run-1")
    assert (totals.total, totals.unsplit, totals.events) == (207, 7, 3)
    assert (totals.input, totals.cache_read, totals.cache_write, totals.output) == (20, 40, 60, 80)
    assert totals.by_category == {
        "base": 107,
        "retrieval": 0,
        "second_opinion": 100,
        "evidence_request": 0,
    }
    assert totals.by_role == {"builder": 107, "doctor": 100, "reviewer": 0, "research": 0}
    assert usage_events.phase_tokens(database, "run-1") == {"one": 200, "two": 7}


def test_money_is_exact(database):
    record(database, *(event(i) for i in range(100)))
    assert usage_events.token_totals(database, "run-1").cost == Decimal("0.0012345678")


def test_one_unknown_cost_makes_the_sum_unknown(database):
    record(database, event(1), event(2, cost=None))
    assert usage_events.token_totals(database, "run-1").cost is None


def test_a_run_without_calls_cost_nothing(database):
    totals = usage_events.token_totals(database, "run-1")
    assert (totals.total, totals.events, totals.unreconciled_calls) == (0, 0, 0)
    assert totals.cost == Decimal(0)
    assert usage_events.phase_tokens(database, "run-1") == {}


def test_totals_can_be_read_inside_a_transaction(database):
    def record_and_read(conn):
        record_events(conn, [event(1)])
        return usage_events.token_totals(conn, "run-1").total, usage_events.phase_tokens(
            conn, "run-1"
        )

    assert database.transact(record_and_read) == (100, {"one": 100})


@pytest.mark.parametrize(
    "changes",
    [
        {"total_tokens": 99},  # not the sum of its parts
        {"total_tokens": -1, **UNSPLIT},  # negative
        {"output_tokens": None, "reasoning_tokens": None},  # parts known in part
        {"reasoning_tokens": 41},  # more than the output it is part of
        {"total_tokens": 4, **UNSPLIT, "reasoning_tokens": 5},  # more than everything
        {"role": "cook"},
        {"category": "fun"},
        {"source": "hearsay"},
        {"doctor_model": "medium"},
    ],
)
def test_an_event_that_contradicts_itself_is_refused(database, changes):
    with pytest.raises(exc.IntegrityError):
        record(database, event(1, **changes))
    assert usage_events.token_totals(database, "run-1").events == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE llm_usage_events SET total_tokens = 0",
        "DELETE FROM llm_usage_events",
    ],
)
def test_the_ledger_refuses_changes(database, statement):
    record(database, event(1))
    with pytest.raises(exc.DBAPIError, match="llm_usage_events is append-only"):
        database.transact(lambda conn: conn.exec_driver_sql(statement))


@pytest.mark.parametrize(
    ("engine_name", "statement"),
    [
        ("sqlite", "INSERT OR REPLACE INTO llm_usage_events SELECT * FROM llm_usage_events"),
        ("postgresql", "TRUNCATE llm_usage_events"),
    ],
)
def test_the_ledger_refuses_the_ways_around_its_triggers(database, statement):
    record(database, event(1))
    with pytest.raises(exc.DBAPIError, match="llm_usage_events is append-only"):
        database.transact(lambda conn: conn.exec_driver_sql(statement))


def test_every_column_of_the_ledger_is_a_field_of_an_event(database):
    columns = {column.name for column in llm_usage_events.columns}
    assert columns == set(UsageEvent.__dataclass_fields__)


def test_many_writers_of_the_same_calls_count_each_once(database):
    events = [event(i) for i in range(200)]

    def write(seed):
        return record(database, *random.Random(seed).sample(events, 150))

    with ThreadPoolExecutor(8) as pool:
        new = sum(pool.map(write, range(8)))
    totals = usage_events.token_totals(database, "run-1")
    assert new == totals.events <= 200


def test_a_call_is_unreconciled_until_its_intent_is_closed(database):
    def open_two(conn):
        intents.open_intent(conn, AttemptKey("run-1", "one", 1), "builder")
        intents.open_intent(
            conn, AttemptKey("run-1", "one", 1), "builder"
        )  # a retry opens no second one
        intents.open_intent(conn, AttemptKey("run-1", "one", 1), "doctor")

    database.transact(open_two)
    assert usage_events.token_totals(database, "run-1").unreconciled_calls == 2
    database.transact(lambda conn: intents.close_intent(conn, AttemptKey("run-1", "one", 1)))
    assert usage_events.token_totals(database, "run-1").unreconciled_calls == 1


KEY = ("run-1", "one", 1, "anthropic", "id", 0)


def key(run_id, phase_id, attempt, *call):
    return event_key(AttemptKey(run_id, phase_id, attempt), *call)


@pytest.mark.parametrize(
    "other",
    [
        ("run-2", "one", 1, "anthropic", "id", 0),
        ("run-1", "two", 1, "anthropic", "id", 0),
        ("run-1", "one", 2, "anthropic", "id", 0),
        ("run-1", "one", 1, "openai", "id", 0),
        ("run-1", "one", 1, "anthropic", "di", 0),
        ("run-1", "one", 1, "anthropic", "id", 1),  # the id again
        ("run-1", "one", 1, "anthropic", None, 0),  # no id: the number of the call
        ("run-1", "one", 1, "anthropic", "None", 0),  # an id that looks like none
        ("run-1one", "", 1, "anthropic", "id", 0),  # the same letters, cut elsewhere
    ],
)
def test_every_part_of_a_key_matters(other):
    assert key(*KEY) != key(*other)


def test_a_key_is_the_same_everywhere():
    """It is stored: another way to make it would count every call again."""
    expected = "62179eeb29a1da3b0ff1fa61f699a1244d96a2312e85e5349057a8a3965009b2"
    assert key(*KEY) == expected
