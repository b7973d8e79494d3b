"""Usage from files: every row once, whatever is missing, and again changes nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.usage import usage_event

from autopack.ledger.check import check
from autopack.ledger.consolidated import consolidated_tokens
from autopack.ledger.events.usage_events import record_events, token_totals
from autopack.ledger.imports import importing
from autopack.ledger.imports.importing import import_file
from autopack.ledger.imports.importing_rows import Keys, values_of
from autopack.ledger.retention import retain
from autopack.metrics.attempt_metrics import phase6_summary
from autopack.model.errors import BadInput
from autopack.store import Database
from autopack.store.tables.rollups import phase6_metrics

CSV = """run_id,phase_id,provider,model,role,total_tokens,prompt_tokens,completion_tokens,created_at
r,one,openai,m,builder,10,7,3,2024-05-01 10:00:00
r,one,openai,m,builder,10,7,3,2024-05-01 10:00:00
r,two,openai,m,doctor,5,,,2024-05-02T10:00:00+02:00
r,two,openai,m,builder,9,7,3,2024-05-02
"""


def test_a_csv_counts_every_row_once(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(CSV)
    done = import_file(database, file)
    assert (done.events, done.new_events) == (4, 4)
    assert "cache_read_tokens" in done.missing["events"]
    spent = consolidated_tokens(database, "r").spent
    # The last row's split does not add up, so that only its total counts.
    assert (spent.total, spent.input, spent.output, spent.unsplit) == (34, 14, 6, 14)
    assert spent.by_role["doctor"] == spent.by_category["second_opinion"] == 5
    assert import_file(database, file).new_events == 0
    assert consolidated_tokens(database, "r").spent == spent
    assert check(database) == []


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_csv_as_programs_write_it(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    header = " Run_ID ,MODEL,Total_Tokens,input_tokens,output_tokens,cost,created_at"
    file.write_text(f"{header}\r\nr,na,5,NA,NaN,null,None\r\nr,null,12.0,-,,,\r\n")
    assert import_file(database, file).new_events == 2
    spent = consolidated_tokens(database, "r").spent
    assert (spent.total, spent.unsplit, spent.unpriced_calls) == (17, 17, 2)


def test_json_lines_keep_the_keys_they_bring(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "usage.jsonl"
    row = {"event_key": "k", "run_id": "r", "total_tokens": 3, "cost": "0.25"}
    file.write_text(f"{json.dumps(row)}\n\n{json.dumps(row)}\n")
    done = import_file(database, file)
    assert (done.events, done.new_events) == (2, 1)


SPLIT = "input_tokens,cache_read_tokens,cache_write_tokens,output_tokens"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", "nonsense\n", "line 1"),
        ("a.jsonl", "[1]\n", "line 1"),
        ("a.jsonl", '{"total_tokens": 1}\n', "run_id is missing"),
        ("a.jsonl", '{"run_id": "r"}\n', "total_tokens is missing"),
        ("a.csv", "run_id,total_tokens\nr,-1\n", "row 2: total_tokens is '-1'"),
        ("a.csv", "run_id,total_tokens,category\nr,1,fun\n", "row 2: category is 'fun'"),
        ("a.csv", "run_id,total_tokens,created_at\nr,1,soon\n", "row 2: created_at is 'soon'"),
        ("a.csv", "run_id,total_tokens\nr,1\xff\n", "row 2"),
        ("a.csv", "run_id,total_tokens\nr,1.5\n", "row 2: total_tokens is '1.5'"),
        ("a.csv", "run_id,total_tokens,attempt\nr,1,3000000000\n", "row 2: attempt is"),
        ("a.csv", "run_id,total_tokens,cost\nr,1,1e30\n", "row 2: cost is '1e30'"),
        ("a.csv", f"run_id,total_tokens\n{'r' * 65},1\n", "longer than 64"),
        ("a.csv", "run_id,total_tokens,doctor_model\nr,1,huge\n", "use cheap, strong"),
        ("missing.csv", None, "cannot be read"),
        # numbers that would never end, nesting, ids that are none
        ("a.csv", "run_id,total_tokens\nr,1e999999999\n", "total_tokens is '1e999999999'"),
        ("a.jsonl", '{"run_id": "r", "total_tokens": Infinity}\n', "row 1: total_tokens is inf"),
        ("a.jsonl", "[" * 100_000, "line 1: no JSON: too deep"),
        ("a.jsonl", '{"run_id": ["r"], "total_tokens": 1}\n', "run_id is .*: use text"),
        ("a.jsonl", '{"run_id": "\\ud800", "total_tokens": 1}\n', "cannot be printed"),
        ("a.jsonl", '{"run_id": "a\\u0000", "total_tokens": 1}\n', "cannot be printed"),
        # more than the ledger takes of one call: each count, and a total that is their sum
        ("a.csv", "run_id,total_tokens\nr,1000000000001\n", "total_tokens is .* at most"),
        ("a.csv", "run_id,total_tokens,output_tokens\nr,1,2e12\n", "output_tokens is .* at most"),
        ("a.csv", f"run_id,{SPLIT}\nr{',1000000000000' * 4}\n", "row 2: its parts add up to more"),
        # two that mean the same
        ("a.csv", "run_id,input_tokens,prompt_tokens\nr,1,2\n", "input_tokens and prompt_tokens"),
        ("a.csv", "run_id,completion_tokens,output_tokens\nr,1,2\n", "mean the same"),
        (
            "a.jsonl",
            '{"run_id": "r", "input_tokens": 1, "prompt_tokens": 2}\n',
            "row 1: .* the same",
        ),
        ("a.jsonl", '{"run_id": "r", "total_tokens": 1, "total_tokens": 2}\n', "row 1: .* twice"),
        # text that is none, words that are none
        (
            "a.jsonl",
            '{"run_id": "r", "total_tokens": 1, "model": {"a": 1}}\n',
            "model is .* use text",
        ),
        (
            "a.jsonl",
            '{"run_id": "r", "total_tokens": 1, "provider": []}\n',
            "provider is .* use text",
        ),
        (
            "a.jsonl",
            '{"run_id": "r", "total_tokens": 1, "role": ["doctor"]}\n',
            "role is .* use build",
        ),
        ("a.csv", "run_id,total_tokens,role\nr,1,boss\n", "row 2: role is 'boss': use builder"),
        ("a.csv", "run_id,total_tokens\nr,nan\n", "total_tokens is 'nan', and it is needed"),
        # shapes that are not asked for
        ("a.csv", "", "a.csv is empty"),
        ("a.jsonl", "", "a.jsonl is empty"),
        ("a.jsonl", "\n \n", "a.jsonl is empty"),
        ("a.csv", "run_id;total_tokens\nr;1\n", "line 1 of .* names no column of usage"),
        ("a.csv", "run_id,total_tokens,total_tokens\nr,1,2\n", "total_tokens is there twice"),
        ("a.csv", "run_id,total_tokens\nr,1,2\n", "row 2 has more cells than the header"),
        ("a.json", '[{"run_id": "r", "total_tokens": 1}]\n', "line 1: no JSON object"),
    ],
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_wrong_row_is_named(
    database: Database, tmp_path: Path, name: str, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=words):
        import_file(database, tmp_path / name)


def _sqlite(folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "earlier.db")) as earlier:
        earlier.execute("CREATE TABLE llm_usage_events (run_id, total_tokens)")
        earlier.executemany("INSERT INTO llm_usage_events VALUES ('r', ?)", [(1,), (2,)])
        earlier.commit()
    return (folder / "earlier.db").read_bytes()


# each kind of file as it comes out of a pipe, shorter and longer than what a pipe holds
PIPED = {
    "two lines.jsonl": (lambda _: b'{"run_id": "r", "total_tokens": 1}\n' * 2, 2),
    "no ending": (lambda _: b'{"run_id": "r", "total_tokens": 1}\n' * 20_000, 20_000),
    "rows.csv": (lambda _: b"run_id,total_tokens\nr,1\nr,2\n", 2),
    "earlier.sqlite": (_sqlite, 2),
}


@pytest.mark.parametrize("name", PIPED)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_pipe_gives_every_row_as_a_file_does(
    database: Database, tmp_path: Path, name: str
) -> None:
    make, rows = PIPED[name]
    pipe, content = tmp_path / name, make(tmp_path)
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[content])
    writer.start()
    done = import_file(database, pipe)
    writer.join()
    assert (done.events, done.new_events) == (rows, rows)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_folder_is_no_file_of_usage(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        import_file(database, tmp_path)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_equal_rows_far_apart_are_told_apart(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH", 3)
    file = tmp_path / "usage.csv"
    file.write_text("run_id,total_tokens\n" + "r,1\nr,2.0\n" * 5)
    assert import_file(database, file).new_events == 10
    assert consolidated_tokens(database, "r").spent.total == 15
    assert import_file(database, file).new_events == 0


def earlier_metrics(file: Path, columns: str, values: str) -> None:
    with closing(sqlite3.connect(file)) as earlier:
        earlier.executescript(
            f"CREATE TABLE phase6_metrics (run_id, phase_id, {columns});"
            f"INSERT INTO phase6_metrics VALUES ('r', 'one', {values});"
        )


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("estimate_source", "'guess'"),
        ("estimate_coverage_n", "'many'"),
        ("estimate_coverage_n", "3000000000"),
        ("plan_normalization_confidence", "'high'"),
        ("created_at", "'soon'"),
    ],
)
def test_wrong_metrics_are_named(
    database: Database, tmp_path: Path, columns: str, values: str
) -> None:
    file = tmp_path / "earlier.db"
    earlier_metrics(file, columns, values)
    with pytest.raises(BadInput, match=f"phase6_metrics, row 1: {columns} is"):
        import_file(database, file)


def test_a_warning_in_plain_text_is_one_warning(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "earlier.db"
    earlier_metrics(file, "plan_normalization_warnings", "'no scope'")
    assert import_file(database, file).new_metrics == 1
    with database.read() as conn:
        found = conn.scalar(sa.select(phase6_metrics.c.plan_normalization_warnings))
    assert found == ["no scope"]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_damaged_database_is_named(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "earlier.db"
    file.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    with pytest.raises(BadInput, match="cannot be read"):
        import_file(database, file)


def test_the_database_of_an_earlier_autopack(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "earlier.db"
    with closing(sqlite3.connect(file)) as earlier:
        earlier.executescript(
            """
            CREATE TABLE llm_usage_events (id INTEGER PRIMARY KEY, provider, model, run_id,
                phase_id, role, total_tokens, prompt_tokens, completion_tokens, is_doctor_call,
                doctor_model, doctor_action, created_at);
            INSERT INTO llm_usage_events VALUES
                (1, 'p', 'm', 'r', 'one', 'builder', 12, 10, 2, 0, NULL, NULL, '2024-01-01'),
                (2, 'p', 'm', 'r', 'one', 'Physician', 5, NULL, NULL, 1, 'cheap', 'replan', NULL);
            CREATE TABLE phase6_metrics (id INTEGER PRIMARY KEY, run_id, phase_id,
                failure_hardening_triggered, failure_pattern_detected, created_at);
            INSERT INTO phase6_metrics VALUES
                (1, 'r', 'one', 1, 'python_missing_dep', '2024-01-01'),
                (2, 'r', 'one', 0, NULL, '2024-01-01');
            """
        )
    done = import_file(database, file)
    assert (done.new_events, done.new_metrics) == (2, 2)
    assert done.missing["token_efficiency_metrics"] == ["the whole table"]
    spent = consolidated_tokens(database, "r").spent
    # Roles had other words then; what is no role of today follows from the rest of the row.
    assert (spent.total, spent.by_role["doctor"]) == (17, 5)
    summary = phase6_summary(database, run_id="r")
    assert (summary["phases"], summary["failure_hardening_triggered"]) == (1, 1)
    assert summary["failure_patterns"] == {"python_missing_dep": 1}
    again = import_file(database, file)
    assert (again.new_events, again.new_metrics) == (0, 0)


ROWS = [
    '{"run_id": "r", "phase_id": "one", "prompt_tokens": 10, "completion_tokens": 4,'
    ' "cost": "0.25", "created_at": "2026-01-02T03:04:05+00:00"}',
    '{"run_id": "r", "total_tokens": 7, "model": "m"}',
    '{"run_id": "r", "total_tokens": 7, "model": "m"}',
]
# As the versions with each recipe gave them to these rows: 14 tokens, then 7 and 7.
RECIPES = {
    "in alphabet": [
        "96b61c903cf9f1aaafc40f726b9a1593d7e63868a1695a7c1db26bfdac9a060d",
        "aaf6a67d9e1e4767e1ed526612604309ae512fbafdf65208754cbf7cc0b73efc",
        "d3b8987a96d939df5ff44a9b972822cbac674eb74df9c88c5a099cbf6295e904",
    ],
    "as JSON": [
        "d21dc1cacbf187af91a6a58368ed0557d3bcd263e46050e3306095d092d33310",
        "87467b44168ab103bea3a52d763b9cf6ec379bfaf0c98116bcf82e99f2413052",
        "b80c1cb8a6bd4ab7975bf4cee6ebf4d40231dfb010e31053127d9e3ec69751a2",
    ],
    "in order": [
        "efe816fc5875e93664042f3b0271d9dfe27760bf9d01747af5967b9bcbc03772",
        "1d34946467f8e0c52237c4444ddc1c26d2ce32768c012317a76f7a40b68d8361",
        "6fc9f5382b8c30caccc966ed33f72b71d5fa420405bc6b134ec85ce2ab127cad",
    ],
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("archived", [False, True])
def test_what_an_earlier_version_imported_does_not_count_again(
    database: Database, tmp_path: Path, recipe: str, archived: bool
) -> None:
    earlier = [
        usage_event(event_key=key, total_tokens=tokens, created_at=datetime(2025, 1, 1, tzinfo=UTC))
        for key, tokens in zip(RECIPES[recipe], (14, 7, 7), strict=True)
    ]
    database.transact(lambda conn: record_events(conn, earlier))
    if archived:
        assert retain(database, timedelta(days=1)).events == 3
    file = tmp_path / "usage.jsonl"
    file.write_text("\n".join([*ROWS, ROWS[1]]))
    assert import_file(database, file).new_events == 1  # the third of the equal ones
    assert import_file(database, file).new_events == 0
    assert token_totals(database, "r").total == 35


def test_a_field_that_events_get_later_changes_no_key() -> None:
    row = values_of(1, {"run_id": "r", "total_tokens": 7})
    rows = [row, row | {"carbon": 3}]
    for row in rows:
        with Keys() as keys:
            keys.give([row])
    assert rows[0]["event_key"] == rows[1]["event_key"]
