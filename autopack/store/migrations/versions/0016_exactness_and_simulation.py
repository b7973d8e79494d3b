"""Each call says how exact it is and whether it was simulated; sums of money cannot overflow."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
# Older code would take the parts of a millionth of a dollar for whole sums.
oldest_code = "0016"

TOKENS = (
    "total_tokens",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)
SUMS = (
    "events",
    *TOKENS,
    "unsplit_tokens",
    # Millionths of a dollar, and beside them what is below one: a sum of picodollars alone ends
    # at nine million dollars.
    "cost_microdollars",
    "cost_picodollars",
    "unpriced_events",
)
RUN_KEYS = ("run_id", "phase_id", "day", "role", "category", "simulated")
DAY_KEYS = ("day", "model", "role", "category", "simulated")
ARCHIVE_KEYS = ("run_id", "phase_id", "day", "model", "role", "category", "simulated")
ROLLUPS = (("usage_by_run", RUN_KEYS), ("usage_by_day", DAY_KEYS))
STAND_INS = "SELECT run_id FROM runs WHERE builder IN ('script', 'simulated')"

REFUSE_UPDATE_SQLITE = """
CREATE TRIGGER llm_usage_events_no_UPDATE BEFORE UPDATE ON llm_usage_events
BEGIN SELECT RAISE(ABORT, 'llm_usage_events is append-only'); END
"""
ROLL_UP_POSTGRESQL = """
CREATE OR REPLACE FUNCTION autopack_roll_up_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {statements}
    RETURN NULL;
END $$
"""
COLUMNS = {
    "event_key": "varchar(64)",
    "run_id": "varchar(64)",
    "phase_id": "varchar(64)",
    "attempt": "integer",
    "provider": "text",
    "model": "text",
    "role": "varchar(16)",
    "category": "varchar(24)",
    **dict.fromkeys(TOKENS, "bigint"),
    "cache_write_1h_tokens": "bigint",
    "source": "varchar(16)",
    "exactness": "varchar(16)",
    "simulated": "boolean",
    "cost": "numeric",
    "price_version": "text",
    "is_doctor_call": "boolean",
    "doctor_model": "varchar(16)",
    "doctor_action": "text",
    "response_id": "text",
    # In UTC, or null for the present.
    "created_at": "timestamp without time zone",
}
RECORD = """
CREATE OR REPLACE FUNCTION autopack_record_usage(calls json) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE added integer;
BEGIN
    INSERT INTO llm_usage_events ({columns})
    SELECT {values} FROM json_to_recordset(calls) AS call ({typed})
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$
"""
VIEW = """
CREATE VIEW consolidated_tokens AS
SELECT known.run_id, {columns}
FROM (SELECT run_id FROM runs UNION SELECT run_id FROM usage_by_run) AS known
"""


def upgrade() -> None:
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute("DROP VIEW consolidated_tokens")
    on = "" if is_sqlite else " ON llm_usage_events"
    op.execute(f"DROP TRIGGER llm_usage_events_roll_up{on}")
    _mark_events(is_sqlite=is_sqlite)
    _make_archive_anew()
    for table, keys in ROLLUPS:
        op.drop_table(table)
        _create(table, keys)
        op.execute(_filling(table, keys, is_sqlite=is_sqlite, source="llm_usage_events"))
        op.execute(_adding_archive(table, keys))
    op.create_index(op.f("ix_usage_by_run_day_run_id"), "usage_by_run", ["day", "run_id"])
    _create_triggers(is_sqlite=is_sqlite)
    op.execute(VIEW.format(columns=", ".join(_view_columns())))
    with op.batch_alter_table("consolidated_token_views") as views:
        for name in ("total", "input", "cache_read", "cache_write", "output", "unsplit"):
            views.alter_column(f"spent_{name}", existing_type=sa.BigInteger(), nullable=True)
        views.add_column(sa.Column("unknown_builds", sa.Integer()))
        views.add_column(sa.Column("unpriced_calls", sa.BigInteger()))
        views.add_column(sa.Column("cost_known", sa.Text() if is_sqlite else sa.Numeric()))


def _mark_events(*, is_sqlite: bool) -> None:
    op.add_column("llm_call_intents", sa.Column("told", sa.String(16)))
    table = "llm_usage_events"
    op.add_column(table, sa.Column("cache_write_1h_tokens", sa.BigInteger()))
    exactness = sa.Column("exactness", sa.String(16), nullable=False, server_default="exact")
    op.add_column(table, exactness)
    simulated = sa.Column("simulated", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column(table, simulated)
    if is_sqlite:
        op.execute("DROP TRIGGER llm_usage_events_no_UPDATE")
    else:
        op.execute("ALTER TABLE llm_usage_events DISABLE TRIGGER llm_usage_events_no_update")
    op.execute("UPDATE llm_usage_events SET exactness = 'partial' WHERE source <> 'provider'")
    op.execute(f"UPDATE llm_usage_events SET simulated = true WHERE run_id IN ({STAND_INS})")  # noqa: S608
    if is_sqlite:
        op.execute(REFUSE_UPDATE_SQLITE)
    else:
        op.execute("ALTER TABLE llm_usage_events ENABLE TRIGGER llm_usage_events_no_update")


def _make_archive_anew() -> None:
    op.execute("CREATE TABLE usage_archive_before AS SELECT * FROM usage_archive")
    op.drop_table("usage_archive")
    _create("usage_archive", ARCHIVE_KEYS)
    before = {
        "simulated": f"(run_id IN ({STAND_INS}))",
        "cost_microdollars": "CAST(cost_picodollars AS BIGINT) / 1000000",
        "cost_picodollars": "CAST(cost_picodollars AS BIGINT) % 1000000",
    }
    names = (*ARCHIVE_KEYS, *SUMS)
    op.execute(
        f"INSERT INTO usage_archive ({', '.join(names)})"  # noqa: S608
        f" SELECT {', '.join(before.get(name, name) for name in names)} FROM usage_archive_before"
    )
    op.drop_table("usage_archive_before")


def _create(table: str, keys: tuple[str, ...]) -> None:
    types: dict[str, Any] = {
        "run_id": sa.String(64),
        "phase_id": sa.String(64),
        "day": sa.Date(),
        "model": sa.Text(),
        "role": sa.String(16),
        "category": sa.String(24),
        "simulated": sa.Boolean(),
    }
    op.create_table(
        table,
        *(sa.Column(key, types[key], nullable=False) for key in keys),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )


def _values(*, is_sqlite: bool, row: str = "") -> dict[str, str]:
    """What one event adds to each sum, and the day it belongs to."""
    if is_sqlite:
        day = f"substr({row}created_at, 1, 10)"
        point = f"instr({row}cost, '.')"
        decimals = f"CASE {point} WHEN 0 THEN '' ELSE substr({row}cost, {point} + 1) END"
        decimals = f"({decimals} || '000000000000')"
        micro = f"CAST({row}cost AS INTEGER) * 1000000 + CAST(substr({decimals}, 1, 6) AS INTEGER)"
        pico = f"CAST(substr({decimals}, 7, 6) AS INTEGER)"
    else:
        day = f"({row}created_at AT TIME ZONE 'UTC')::date"
        micro = f"TRUNC({row}cost * 1000000)::bigint"
        pico = f"ROUND(({row}cost * 1000000 - TRUNC({row}cost * 1000000)) * 1000000)::bigint"
    return {
        "day": day,
        "events": "1",
        "total_tokens": f"{row}total_tokens",
        **{name: f"COALESCE({row}{name}, 0)" for name in TOKENS[1:]},
        "unsplit_tokens": f"CASE WHEN {row}input_tokens IS NULL THEN {row}total_tokens ELSE 0 END",
        "cost_microdollars": f"COALESCE({micro}, 0)",
        "cost_picodollars": f"COALESCE({pico}, 0)",
        "unpriced_events": f"CASE WHEN {row}cost IS NULL THEN 1 ELSE 0 END",
    }


def _adding(table: str, keys: tuple[str, ...]) -> str:
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sums}"


def _filling(table: str, keys: tuple[str, ...], *, is_sqlite: bool, source: str) -> str:
    """Group the events of ``source`` into sums, always in the order of the keys."""
    values = _values(is_sqlite=is_sqlite)
    cast = "" if is_sqlite else "::bigint"
    selected = [values.get(key, key) for key in keys]
    selected += [f"SUM({values[name]}){cast}" for name in SUMS]
    order = ", ".join(str(number + 1) for number in range(len(keys)))
    return (
        f"INSERT INTO {table} ({', '.join((*keys, *SUMS))}) "  # noqa: S608 (constants only)
        f"SELECT {', '.join(selected)} FROM {source} WHERE true GROUP BY {order} ORDER BY {order} "
        f"{_adding(table, keys)}"
    )


def _adding_archive(table: str, keys: tuple[str, ...]) -> str:
    """What was archived is in the sums, too."""
    sums = ", ".join(f"CAST(SUM({name}) AS BIGINT)" for name in SUMS)
    return (
        f"INSERT INTO {table} ({', '.join((*keys, *SUMS))}) "  # noqa: S608
        f"SELECT {', '.join(keys)}, {sums} FROM usage_archive WHERE true "
        f"GROUP BY {', '.join(keys)} {_adding(table, keys)}"
    )


def _create_triggers(*, is_sqlite: bool) -> None:
    if is_sqlite:
        values = _values(is_sqlite=True, row="NEW.")
        statements = [
            f"INSERT INTO {table} ({', '.join((*keys, *SUMS))}) VALUES ("  # noqa: S608
            f"{', '.join(values.get(name, f'NEW.{name}') for name in (*keys, *SUMS))}) "
            f"{_adding(table, keys)};"
            for table, keys in ROLLUPS
        ]
        op.execute(
            "CREATE TRIGGER llm_usage_events_roll_up AFTER INSERT ON llm_usage_events BEGIN "
            f"{' '.join(statements)} END"
        )
        return
    statements = [
        f"{_filling(table, keys, is_sqlite=False, source='fresh')};" for table, keys in ROLLUPS
    ]
    op.execute(ROLL_UP_POSTGRESQL.format(statements="\n    ".join(statements)))
    op.execute(
        "CREATE TRIGGER llm_usage_events_roll_up AFTER INSERT ON llm_usage_events"
        " REFERENCING NEW TABLE AS fresh"
        " FOR EACH STATEMENT EXECUTE FUNCTION autopack_roll_up_usage()"
    )
    given = {
        "created_at": "COALESCE(call.created_at AT TIME ZONE 'UTC', statement_timestamp())",
        "exactness": "COALESCE(call.exactness, 'exact')",
        "simulated": "COALESCE(call.simulated, false)",
    }
    op.execute(
        RECORD.format(
            columns=", ".join(COLUMNS),
            values=", ".join(given.get(name, f"call.{name}") for name in COLUMNS),
            typed=", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()),
        )
    )


def _view_columns() -> list[str]:
    """Each figure looked up by the run's key; a join would count rows several times."""
    columns = {f"spent_{name.removesuffix('_tokens')}": (name, "") for name in TOKENS[:5]}
    columns["spent_unsplit"] = ("unsplit_tokens", "")
    for category in ("base", "retrieval", "second_opinion", "evidence_request"):
        columns[f"category_{category}"] = ("total_tokens", f" AND u.category = '{category}'")
    for role in ("builder", "doctor", "reviewer", "research"):
        columns[f"role_{role}"] = ("total_tokens", f" AND u.role = '{role}'")
    last = ("events", "cost_microdollars", "cost_picodollars", "unpriced_events")
    columns |= {name: (name, "") for name in last}
    return [
        f"COALESCE((SELECT SUM(u.{source}) FROM usage_by_run u"  # noqa: S608
        f" WHERE u.run_id = known.run_id{condition}), 0) AS {name}"
        for name, (source, condition) in columns.items()
    ]
