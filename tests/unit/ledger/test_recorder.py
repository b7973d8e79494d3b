"""Recording never fails and never loses an event, whatever the database does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.usage import usage_event

from autopack.ledger.events.usage_events import token_totals
from autopack.ledger.recorder import Intent, Recorded, Recorder
from autopack.model.ids import AttemptKey
from autopack.store import Database
from autopack.store.intents import (
    open_intent,
)
from autopack.store.tables import llm_usage_events
from autopack.store.usage_event import UsageEvent

UNSOUND = {"total_tokens": -1}


def event(number: int, **changes: object) -> UsageEvent:
    return usage_event(number, **{"cost": Decimal("0.25")} | changes)


@pytest.fixture
def recorder(database: Database, tmp_path: Path) -> Recorder:
    return Recorder(database, tmp_path / "r")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "r" / "ledger.jsonl"


def shut(db: Database, name: str = "llm_usage_events", to: str = "hidden") -> None:
    """Make the ledger unwritable, and writable again with the names swapped."""
    db.transact(lambda conn: conn.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {to}"))


def test_recording_twice_counts_once(recorder: Recorder, database: Database) -> None:
    assert recorder.record([event(1), event(2)]) == Recorded(2, 0)
    assert recorder.record([event(2), event(3)]) == Recorded(1, 0)
    assert token_totals(database, "r").total == 30


def test_the_intent_is_closed_with_the_events(recorder: Recorder, database: Database) -> None:
    database.transact(lambda conn: open_intent(conn, AttemptKey("r", "one", 1), "builder"))
    recorder.record([event(1)], closes=Intent(AttemptKey("r", "one", 1)))
    assert token_totals(database, "r").unreconciled_calls == 0


def test_what_cannot_be_written_waits_in_the_spool(
    recorder: Recorder, database: Database, spool: Path
) -> None:
    database.transact(lambda conn: open_intent(conn, AttemptKey("r", "one", 1), "builder"))
    shut(database)
    at = datetime(2026, 1, 2, tzinfo=UTC)
    kept = recorder.record(
        [event(1), event(2, created_at=at)], closes=Intent(AttemptKey("r", "one", 1))
    )
    assert kept == Recorded(0, 2)
    shut(database, "hidden", "llm_usage_events")
    assert token_totals(database, "r").unreconciled_calls == 1

    assert recorder.ingest() == Recorded(2, 0)

    totals = token_totals(database, "r")
    assert (totals.total, totals.cost, totals.unreconciled_calls) == (20, Decimal("0.5"), 0)
    assert not spool.exists()
    assert recorder.ingest() == Recorded(0, 0)


def test_one_unsound_event_holds_up_no_other_and_is_kept(
    recorder: Recorder, database: Database, spool: Path
) -> None:
    database.transact(lambda conn: open_intent(conn, AttemptKey("r", "one", 1), "builder"))
    events = [event(n) for n in range(9)] + [event(9, **UNSOUND)]
    assert recorder.record(events, closes=Intent(AttemptKey("r", "one", 1))) == Recorded(9, 1)
    assert recorder.ingest() == Recorded(0, 1)
    assert '"total_tokens": -1' in spool.with_name("ledger.refused.jsonl").read_text()
    totals = token_totals(database, "r")
    assert (totals.total, totals.unreconciled_calls) == (90, 1)


def test_a_refused_event_leaves_the_callers_transaction_whole(
    recorder: Recorder, database: Database
) -> None:
    def write(conn: sa.Connection) -> None:
        recorder.record_in(conn, [event(1, **UNSOUND)])
        open_intent(conn, AttemptKey("r", "one", 1), "builder")

    database.transact(write)
    assert token_totals(database, "r").unreconciled_calls == 1


def test_a_transaction_that_fails_records_nothing(recorder: Recorder, database: Database) -> None:
    def write(conn: sa.Connection) -> None:
        recorder.record_in(conn, [event(1)])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.transact(write)
    assert token_totals(database, "r").events == 0


def test_a_torn_line_costs_only_itself(recorder: Recorder, database: Database, spool: Path) -> None:
    shut(database)
    recorder.record([event(1)])
    whole = spool.read_bytes()
    spool.write_bytes(whole + whole[: len(whole) // 2])
    recorder.record([event(2)])
    shut(database, "hidden", "llm_usage_events")
    assert recorder.ingest() == Recorded(2, 0)


def test_what_a_dead_ingest_had_taken_is_taken_up_again(
    recorder: Recorder, database: Database, spool: Path
) -> None:
    shut(database)
    recorder.record([event(1)])
    spool.rename(spool.with_name("ledger.jsonl.123-dead"))
    shut(database, "hidden", "llm_usage_events")
    assert recorder.ingest() == Recorded(1, 0)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_ingests_and_writers_at_once_lose_nothing(
    open_database: Callable[..., Database], tmp_path: Path
) -> None:
    db = open_database()
    recorder = Recorder(db, tmp_path / "r")
    done = threading.Event()

    def ingest() -> None:
        while not done.is_set():
            Recorder(db, tmp_path / "r").ingest()

    def keep(start: int) -> None:
        for number in range(start, start + 50):
            recorder._keep([event(number)], None)

    ingests = [threading.Thread(target=ingest) for _ in range(2)]
    writers = [threading.Thread(target=keep, args=(50 * n,)) for n in range(4)]
    for thread in [*ingests, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in ingests:
        thread.join()
    Recorder(db, tmp_path / "r").ingest()
    assert token_totals(db, "r").events == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"total_tokens": 2**70},  # more than any engine counts to
        {"total_tokens": 2**63},
        {"role": "cook"},
    ],
)
def test_an_event_that_no_engine_takes_waits_and_the_caller_goes_on(
    recorder: Recorder, database: Database, spool: Path, changes: dict[str, object]
) -> None:
    def write(conn: sa.Connection) -> None:
        recorder.record_in(conn, [event(1), event(2, **changes), event(3)])
        open_intent(conn, AttemptKey("r", "one", 1), "builder")

    database.transact(write)
    totals = token_totals(database, "r")
    assert (totals.total, totals.unreconciled_calls) == (20, 1)
    assert len(spool.read_text().split("\n\n")) == 1
    assert recorder.record([event(4, **changes)]) == Recorded(0, 1)


def test_a_ledger_that_is_gone_leaves_the_callers_transaction_whole(
    recorder: Recorder, database: Database
) -> None:
    def write(conn: sa.Connection) -> None:
        recorder.record_in(conn, [event(1), event(2)], closes=Intent(AttemptKey("r", "one", 1)))
        open_intent(conn, AttemptKey("r", "one", 1), "builder")

    shut(database)
    database.transact(write)
    shut(database, "hidden", "llm_usage_events")
    assert token_totals(database, "r").unreconciled_calls == 1
    assert recorder.ingest() == Recorded(2, 0)


def test_every_value_is_read_back_as_it_was_recorded(
    recorder: Recorder, database: Database
) -> None:
    recorded = event(
        1,
        model="modèle \U0001f600",
        total_tokens=100,
        input_tokens=10,
        cache_read_tokens=20,
        cache_write_tokens=30,
        output_tokens=40,
        reasoning_tokens=7,
        source="partial",
        cost=Decimal("0.000012345678"),
        price_version="1",
        is_doctor_call=True,
        doctor_model="cheap",
        doctor_action="replan",
        response_id='a"b\\c',
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    )
    assert recorder.record([recorded]) == Recorded(1, 0)
    with database.read() as conn:
        row = conn.execute(sa.select(llm_usage_events)).mappings().one()
    assert dict(row) == vars(recorded)


def test_text_that_no_engine_stores_is_replaced(recorder: Recorder, database: Database) -> None:
    assert recorder.record([event(1, model="a\x00b\ud800c", response_id="\x00")]) == Recorded(1, 0)
    with database.read() as conn:
        row = conn.execute(sa.select(llm_usage_events)).mappings().one()
    assert (row["model"], row["response_id"]) == ("a\ufffdb?c", "\ufffd")
