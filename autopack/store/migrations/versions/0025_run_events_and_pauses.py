"""What happens to each run, noted by triggers in the transaction that does it; and pauses.

The rows of a run are numbered without gaps in the order of their commits: a caller who has
read up to a number has missed none below it. On PostgreSQL that takes a lock of the run's row
until the transaction ends; SQLite has one writer at a time anyway. A later migration that copies
one of the tables below (as SQLite's batches do) has to make its triggers again.
"""

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds tables and triggers

TIME = sa.DateTime(timezone=True)


class Noted(NamedTuple):
    """A change that is an event: of which table, under which condition, and what it says."""

    name: str
    table: str
    change: str
    kind: str
    state: str
    condition: str = ""
    run: str = "NEW.run_id"
    phase: str = "NULL"
    attempt: str = "NULL"


def _changed(column: str) -> str:
    old, new = (f"COALESCE(CAST({row}.{column} AS TEXT), '')" for row in ("OLD", "NEW"))
    return f"{old} <> {new}"


PHASE = "NEW.phase_id"
ATTEMPT = "NEW.attempt"
MOVED = "OLD.state <> NEW.state"
CAPS = ("token_cap", "cost_cap", "minutes_cap")
ANY_CAP = " OR ".join(_changed(cap) for cap in CAPS)

NOTED = (
    Noted("run_made", "runs", "INSERT", "run", "NEW.state"),
    Noted("run_moved", "runs", "UPDATE OF state", "run", "NEW.state", MOVED),
    Noted(
        "cancel",
        "runs",
        "UPDATE OF cancel_requested_at",
        "cancel",
        "'requested'",
        "OLD.cancel_requested_at IS NULL AND NEW.cancel_requested_at IS NOT NULL",
    ),
    Noted("caps", "runs", f"UPDATE OF {', '.join(CAPS)}", "caps", "'changed'", ANY_CAP),
    Noted("phase", "phases", "UPDATE OF state", "phase", "NEW.state", MOVED, phase=PHASE),
    Noted(
        "attempt_made", "attempts", "INSERT", "attempt", "NEW.state", phase=PHASE, attempt=ATTEMPT
    ),
    Noted(
        "attempt_moved",
        "attempts",
        "UPDATE OF state",
        "attempt",
        "NEW.state",
        MOVED,
        phase=PHASE,
        attempt=ATTEMPT,
    ),
    Noted("decision", "decisions", "INSERT", "decision", "NEW.kind", phase=PHASE, attempt=ATTEMPT),
    Noted("question", "approvals", "INSERT", "question", "NEW.kind", phase=PHASE),
    Noted(
        "answer",
        "approvals",
        "UPDATE OF answered_at",
        "answer",
        "CASE WHEN NEW.approved THEN 'approved' ELSE 'rejected' END",
        "OLD.answered_at IS NULL AND NEW.answered_at IS NOT NULL",
        phase=PHASE,
    ),
    Noted("pause", "pauses", "INSERT", "pause", "'paused'", "NEW.kind = 'run'", run="NEW.name"),
    Noted("unpause", "pauses", "DELETE", "pause", "'lifted'", "OLD.kind = 'run'", run="OLD.name"),
)

INSERT = """
INSERT INTO run_events (run_id, number, at, kind, phase_id, attempt, state)
SELECT {run}, COALESCE(MAX(number), 0) + 1, {now}, '{kind}', {phase}, {attempt}, {state}
FROM run_events WHERE run_id = {run};
"""
SQLITE = """
CREATE TRIGGER run_events_{name} AFTER {change} ON {table} {when}
BEGIN {insert} END
"""
POSTGRESQL_FUNCTION = """
CREATE FUNCTION autopack_event_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
PERFORM 1 FROM runs WHERE run_id = {run} FOR NO KEY UPDATE;
{insert}
RETURN NULL;
END $$
"""
POSTGRESQL = """
CREATE TRIGGER run_events_{name} AFTER {change} ON {table}
FOR EACH ROW {when} EXECUTE FUNCTION autopack_event_{name}()
"""
APPEND_ONLY_SQLITE = """
CREATE TRIGGER run_events_no_{verb} BEFORE {verb} ON run_events
BEGIN SELECT RAISE(ABORT, 'run_events is append-only'); END
"""
APPEND_ONLY_POSTGRESQL = """
CREATE TRIGGER run_events_no_{verb} BEFORE {verb} ON run_events
FOR EACH {unit} EXECUTE FUNCTION autopack_refuse_change()
"""


def upgrade() -> None:
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("phase_id", sa.String(64)),
        sa.Column("attempt", sa.Integer()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_run_events")),
    )
    op.create_table(
        "pauses",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("now", sa.Boolean(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_pauses")),
        sa.CheckConstraint(
            "kind IN ('run', 'builder', 'provider', 'all')", name=op.f("ck_pauses_kind")
        ),
    )
    is_sqlite = op.get_context().dialect.name == "sqlite"
    for one in NOTED:
        _note(one, is_sqlite=is_sqlite)
    if is_sqlite:
        for verb in ("UPDATE", "DELETE"):
            op.execute(APPEND_ONLY_SQLITE.format(verb=verb))
    else:
        for verb, unit in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(APPEND_ONLY_POSTGRESQL.format(verb=verb, unit=unit))


def _note(one: Noted, *, is_sqlite: bool) -> None:
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')" if is_sqlite else "clock_timestamp()"
    values = {
        **one._asdict(),
        "insert": INSERT.format(**one._asdict(), now=now),
        "when": f"WHEN ({one.condition})" if one.condition else "",
    }
    for text in (SQLITE,) if is_sqlite else (POSTGRESQL_FUNCTION, POSTGRESQL):
        # Colons would be parameters to SQLAlchemy.
        op.execute(text.format(**values).replace(":", r"\:"))
