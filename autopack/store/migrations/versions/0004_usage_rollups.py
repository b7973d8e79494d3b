"""Sums of the ledger kept by triggers, its archive, and a view that joins nothing but the sums."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
# Code that knows nothing of the sums still keeps them right: triggers do the work.
oldest_code = "0001"

SUMS = (
    "events",
    "total_tokens",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "unsplit_tokens",
    "cost_picodollars",
    "unpriced_events",
)
RUN_KEYS = ("run_id", "phase_id", "day", "role", "category")
DAY_KEYS = ("day", "model", "role", "category")
ROLLUPS = (("usage_by_run", RUN_KEYS), ("usage_by_day", DAY_KEYS))

REFUSE_DELETE_SQLITE = """
CREATE TRIGGER llm_usage_events_no_DELETE BEFORE DELETE ON llm_usage_events
WHEN NOT EXISTS (SELECT 1 FROM retention_open)
BEGIN SELECT RAISE(ABORT, 'llm_usage_events is append-only'); END
"""
SKIP_ARCHIVED_SQLITE = """
CREATE TRIGGER llm_usage_events_skip_archived BEFORE INSERT ON llm_usage_events
WHEN EXISTS (SELECT 1 FROM usage_archive_keys WHERE event_key = NEW.event_key)
BEGIN SELECT RAISE(IGNORE); END
"""
REFUSE_DELETE_POSTGRESQL = """
CREATE FUNCTION autopack_refuse_unless_retaining() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM retention_open) THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$
"""
SKIP_ARCHIVED_POSTGRESQL = """
CREATE FUNCTION autopack_skip_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM usage_archive_keys WHERE event_key = NEW.event_key) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$
"""
ROLL_UP_POSTGRESQL = """
CREATE FUNCTION autopack_roll_up_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {statements}
    RETURN NULL;
END $$
"""
VIEW = """
CREATE VIEW consolidated_tokens AS
SELECT known.run_id, {columns}
FROM (SELECT run_id FROM runs UNION SELECT run_id FROM usage_by_run) AS known
"""


def upgrade() -> None:
    _create_tables()
    is_sqlite = op.get_context().dialect.name == "sqlite"
    for table, keys in ROLLUPS:
        op.execute(_filling(table, keys, is_sqlite=is_sqlite, source="llm_usage_events"))
    _create_triggers_sqlite() if is_sqlite else _create_triggers_postgresql()
    op.execute(VIEW.format(columns=", ".join(_view_columns())))


def _create_tables() -> None:
    op.create_table(
        "usage_by_run",
        _text("run_id", 64),
        _text("phase_id", 64),
        sa.Column("day", sa.Date(), nullable=False),
        _text("role", 16),
        _text("category", 24),
        *_sum_columns(),
        sa.PrimaryKeyConstraint(*RUN_KEYS, name=op.f("pk_usage_by_run")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_usage_by_run_day_run_id"), "usage_by_run", ["day", "run_id"])
    op.create_table(
        "usage_by_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        _text("role", 16),
        _text("category", 24),
        *_sum_columns(),
        sa.PrimaryKeyConstraint(*DAY_KEYS, name=op.f("pk_usage_by_day")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_archive",
        _text("run_id", 64),
        _text("phase_id", 64),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        _text("role", 16),
        _text("category", 24),
        *_sum_columns(),
        sa.PrimaryKeyConstraint(
            "run_id", "phase_id", "day", "model", "role", "category", name=op.f("pk_usage_archive")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_archive_keys",
        _text("event_key", 64),
        sa.PrimaryKeyConstraint("event_key", name=op.f("pk_usage_archive_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retention_open",
        sa.Column("door", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("door", name=op.f("pk_retention_open")),
    )
    op.create_table(
        "schema_compatibility",
        _text("oldest_code", 32),
        sa.PrimaryKeyConstraint("oldest_code", name=op.f("pk_schema_compatibility")),
    )
    for name, columns in (
        ("recent", ["created_at", "event_key"]),
        ("tier", ["doctor_model", "created_at", "event_key"]),
        ("run", ["run_id", "created_at", "event_key"]),
    ):
        op.create_index(
            op.f(f"ix_llm_usage_events_doctor_{name}"),
            "llm_usage_events",
            columns,
            sqlite_where=sa.text("is_doctor_call IS 1"),
            postgresql_where=sa.text("is_doctor_call IS true"),
        )


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _sum_columns() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS]


def _values(*, is_sqlite: bool, row: str = "") -> dict[str, str]:
    """What one event adds to each sum, and the day it belongs to."""
    if is_sqlite:
        day = f"substr({row}created_at, 1, 10)"
        cost = f"CAST(ROUND(CAST({row}cost AS REAL) * 1e12) AS INTEGER)"
    else:
        day = f"({row}created_at AT TIME ZONE 'UTC')::date"
        cost = f"ROUND({row}cost * 1000000000000)::bigint"
    parts = ("input", "cache_read", "cache_write", "output", "reasoning")
    return {
        "day": day,
        "events": "1",
        "total_tokens": f"{row}total_tokens",
        **{f"{part}_tokens": f"COALESCE({row}{part}_tokens, 0)" for part in parts},
        "unsplit_tokens": f"CASE WHEN {row}input_tokens IS NULL THEN {row}total_tokens ELSE 0 END",
        "cost_picodollars": f"COALESCE({cost}, 0)",
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


def _create_triggers_sqlite() -> None:
    values = _values(is_sqlite=True, row="NEW.")
    statements = [
        f"INSERT INTO {table} ({', '.join((*keys, *SUMS))}) VALUES ("  # noqa: S608
        f"{', '.join(values.get(name, f'NEW.{name}') for name in (*keys, *SUMS))}) "
        f"{_adding(table, keys)};"
        for table, keys in ROLLUPS
    ]
    op.execute("DROP TRIGGER llm_usage_events_no_DELETE")
    op.execute(REFUSE_DELETE_SQLITE)
    op.execute(SKIP_ARCHIVED_SQLITE)
    op.execute(
        "CREATE TRIGGER llm_usage_events_roll_up AFTER INSERT ON llm_usage_events BEGIN "
        f"{' '.join(statements)} END"
    )


def _create_triggers_postgresql() -> None:
    statements = [
        f"{_filling(table, keys, is_sqlite=False, source='fresh')};" for table, keys in ROLLUPS
    ]
    op.execute("DROP TRIGGER llm_usage_events_no_delete ON llm_usage_events")
    op.execute(REFUSE_DELETE_POSTGRESQL)
    op.execute(
        "CREATE TRIGGER llm_usage_events_no_delete BEFORE DELETE ON llm_usage_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION autopack_refuse_unless_retaining()"
    )
    op.execute(SKIP_ARCHIVED_POSTGRESQL)
    op.execute(
        "CREATE TRIGGER llm_usage_events_skip_archived BEFORE INSERT ON llm_usage_events"
        " FOR EACH ROW EXECUTE FUNCTION autopack_skip_archived()"
    )
    op.execute(ROLL_UP_POSTGRESQL.format(statements="\n    ".join(statements)))
    # Once a statement, not once a row: a batch adds to each sum once, in one order.
    op.execute(
        "CREATE TRIGGER llm_usage_events_roll_up AFTER INSERT ON llm_usage_events"
        " REFERENCING NEW TABLE AS fresh"
        " FOR EACH STATEMENT EXECUTE FUNCTION autopack_roll_up_usage()"
    )


def _view_columns() -> list[str]:
    """Each figure looked up by the run's key; a join would count rows several times."""
    columns = {f"spent_{name.removesuffix('_tokens')}": (name, "") for name in SUMS[1:6]}
    columns["spent_unsplit"] = ("unsplit_tokens", "")
    for category in ("base", "retrieval", "second_opinion", "evidence_request"):
        columns[f"category_{category}"] = ("total_tokens", f" AND u.category = '{category}'")
    for role in ("builder", "doctor", "reviewer", "research"):
        columns[f"role_{role}"] = ("total_tokens", f" AND u.role = '{role}'")
    columns |= {name: (name, "") for name in ("events", "cost_picodollars", "unpriced_events")}
    return [
        f"COALESCE((SELECT SUM(u.{source}) FROM usage_by_run u"  # noqa: S608
        f" WHERE u.run_id = known.run_id{condition}), 0) AS {name}"
        for name, (source, condition) in columns.items()
    ]
