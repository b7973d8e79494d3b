"""Mining of stored errors: what is counted, what it cost, and that it is done once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.stored_errors import BEGAN, contents, error, store
from support.usage import record, usage_event

from autopack.mining.mine import Mined, as_json, mine
from autopack.mining.report import to_html, to_markdown
from autopack.store.database.engine import Database
from autopack.store.tables import attempts, consultations, decisions
from autopack.store.tables.mining import mined_errors, mined_signatures

KEY = "E   KeyError: '{}'"
NAME = "Traceback (most recent call last):\nNameError: name 'x{}' is not defined"
NOW = BEGAN + timedelta(days=40)


def mined(db: Database, **options: Any) -> Mined:
    return mine(db, {}, NOW, **options)


def test_an_empty_database_has_nothing_to_mine(database: Database) -> None:
    found = mined(database)
    assert found.signatures == ()
    assert "No failure" in to_markdown(found)
    assert "No failure" in to_html(found)


def test_every_failed_attempt_counts_once(database: Database) -> None:
    store(database, [error(1, KEY.format(1), attempt=n) for n in (1, 2, 3)])
    store(database, [error(1, KEY.format(2), phase_id="two"), error(2, KEY.format(3))])
    (one,) = mined(database).signatures
    assert (one.count, one.phases, one.runs) == (5, 3, 2)
    assert (one.confidence, one.priority) == ("high", "MEDIUM")
    assert one.exception == "KeyError"


@pytest.mark.parametrize(
    ("count", "confidence", "priority"),
    [(1, "low", "LOW"), (3, "medium", "LOW"), (5, "high", "MEDIUM"), (10, "high", "HIGH")],
)
def test_the_more_often_the_surer(
    database: Database, count: int, confidence: str, priority: str
) -> None:
    store(database, [error(n, KEY.format(n)) for n in range(count)])
    (one,) = mined(database).signatures
    assert (one.confidence, one.priority) == (confidence, priority)


def test_what_a_pattern_caught_is_no_news(database: Database) -> None:
    store(database, [error(1, KEY.format(1), pattern_id="wrong_working_dir")])
    assert mined(database).signatures == ()


def test_a_pattern_that_was_off_is_named(database: Database) -> None:
    store(database, [error(1, "ModuleNotFoundError: No module named 'yaml'")])
    (one,) = mined(database).signatures
    assert one.known_pattern == "python_missing_dep"


def test_the_costliest_goes_first_and_unknown_is_said(database: Database) -> None:
    store(database, [error(n, KEY.format(n)) for n in range(4)])
    store(database, [error(10, NAME.format(1)), error(11, "boom happened")])
    record(database, usage_event(run_id="run-1", cost=Decimal("0.5"), total_tokens=100))
    record(database, usage_event(run_id="run-10", cost=Decimal("1.25"), total_tokens=40))
    record(database, usage_event(1, run_id="run-10", cost=Decimal("0.25"), total_tokens=2))
    record(database, usage_event(run_id="run-2", total_tokens=7))
    first, second, third = mined(database).signatures
    assert (first.exception, first.tokens, first.cost) == ("NameError", 42, Decimal("1.5"))
    assert (second.exception, second.tokens) == ("KeyError", 107)
    assert (second.cost, second.cost_known) == (None, Decimal("0.5"))
    assert (third.tokens, third.cost, third.cost_known) == (None, None, None)


@pytest.mark.parametrize(
    ("error_type", "type_"),
    [("validation_failed", "validation_failed"), ("unknown", "provider_error")],
)
def test_what_a_check_could_not_reach_is_no_provider(
    database: Database, error_type: str, type_: str
) -> None:
    refused = "Error: connect ECONNREFUSED 127.0.0.1:5432"
    store(database, [error(1, refused, error_type=error_type)])
    assert mined(database).signatures[0].type == type_


def test_a_second_mining_changes_nothing(database: Database) -> None:
    store(database, [error(n, KEY.format(n)) for n in range(5)])
    first = mined(database)
    kept = contents(database, (mined_errors, mined_signatures))
    second = mined(database)
    assert (first.found.errors, first.found.signatures) == (5, 1)
    assert (second.found.errors, second.found.signatures) == (0, 0)
    assert second.signatures == first.signatures
    assert contents(database, (mined_errors, mined_signatures)) == kept


def test_a_period_and_a_least_number_are_respected(database: Database) -> None:
    store(database, [error(n, KEY.format(n)) for n in range(3)])
    store(database, [error(9, NAME.format(1), created_at=NOW - timedelta(days=1))])
    assert [each.exception for each in mined(database, since="30d").signatures] == ["NameError"]
    assert [each.exception for each in mined(database, least=2).signatures] == ["KeyError"]
    assert len(mined(database).signatures) == 2


def test_what_ended_it_is_told(database: Database, run: object) -> None:
    attempt = {
        "run_id": "run-1",
        "phase_id": "one",
        "revision": 0,
        "base_commit": "b" * 40,
        "builder": "script",
        "recorded_build": 1,
        "started_at": BEGAN,
    }
    decided = {"run_id": "run-1", "phase_id": "one", "attempt": 1, "created_at": BEGAN}

    def write(conn) -> None:
        conn.execute(attempts.insert(), [{**attempt, "attempt": 1, "state": "FAILED"}])
        passed = {"state": "PASSED", "changed_paths": ["a", "b"]}
        conn.execute(attempts.insert(), [{**attempt, **passed, "attempt": 2}])
        conn.execute(decisions.insert(), [{**decided, "kind": "consult_doctor", "reason": "r"}])
        asked = {"tier": "cheap", "route": "r", "infrastructure": False, "action": "retry"}
        told = {"confidence": 0.5, "rationale": "", "hint": "", "commit": "", "commands": []}
        conn.execute(consultations.insert(), [{**decided, **asked, **told}])

    database.transact(write)
    store(database, [error(1, KEY.format(1)), error(1, KEY.format(1), phase_id="two")])
    (one,) = mined(database).signatures
    after = one.ended_by
    assert (after.passed, after.not_passed, after.changed_files) == (1, 1, 2)
    assert (after.decisions, after.doctor) == ({"consult_doctor": 1}, {"retry": 1})


def test_the_message_tells_where_the_output_does_not(database: Database) -> None:
    store(
        database,
        [
            error(1, None, message="not delivered: a.py", error_type="deliverable_missing"),
            error(2, None, message="not delivered: b.py", error_type="deliverable_missing"),
            error(3, "ok 1\nok 2\n", message="pytest ran out of time", error_type="timeout"),
            error(4, "", message=None),
        ],
    )
    said = {each.normalised: each.count for each in mined(database).signatures}
    assert said == {"not delivered: <*>": 2, "pytest ran out of time": 1, "": 1}


HOSTILE = (
    '"""\n{{ x }} {% y %}',
    "\\N{x} \\",
    "error: " + "x" * 1_000_000,
    "\x00\x07\x1b[31m error: \ud800",
    "<script>alert(1)</script> | `a` error: x",
)


def test_hostile_texts_are_mined_and_shown(database: Database) -> None:
    store(database, [error(n, text) for n, text in enumerate(HOSTILE)])
    found = mined(database)
    assert sum(each.count for each in found.signatures) == len(HOSTILE)
    json.dumps(as_json(found), ensure_ascii=False).encode()
    assert "<script>" not in to_html(found)
    assert "\x07" not in to_markdown(found)
    assert all(len(sample) <= 2_500 for each in found.signatures for sample in each.samples)


def test_samples_hold_no_secrets(database: Database) -> None:
    key = "ghp_" + "a1B2c3" * 6
    store(database, [error(1, f"error: refused the key {key} and hunter2hunter2")])
    found = mine(database, {"MY_TOKEN": "hunter2hunter2"}, NOW)
    shown = json.dumps(as_json(found)) + to_html(found)
    assert key not in found.signatures[0].samples[0]
    assert "hunter2hunter2" not in shown


def test_the_page_has_a_pareto_plot_that_is_the_same_again(database: Database) -> None:
    store(database, [error(n, KEY.format(n)) for n in range(4)])
    page = to_html(mined(database))
    assert "data:image/svg+xml" in page
    assert to_html(mined(database)) == page
    assert len(page) < 1_000_000


MINE = """
import sys, datetime
from autopack.store.database.engine import Database
from autopack.mining.mine import mine
db = Database.open(sys.argv[1])
print("ready", flush=True)
mine(db, {}, datetime.datetime.now(datetime.timezone.utc))
print("done", flush=True)
"""


def test_a_killed_mining_leaves_nothing_or_all(database: Database, database_url: str) -> None:
    store(database, [error(n, KEY.format(n) + f" of case{n % 7}x") for n in range(1_500)])
    for delay in (0.02, 0.2):
        child = subprocess.Popen(
            [sys.executable, "-c", MINE, database_url], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        kept = contents(database, (mined_errors,))["mined_errors"]
        assert len(kept) in (0, 1_500)
    assert sum(each.count for each in mined(database).signatures) == 1_500
    assert len(contents(database, (mined_errors,))["mined_errors"]) == 1_500
