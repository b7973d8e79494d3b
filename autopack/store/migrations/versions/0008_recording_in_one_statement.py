"""Functions that record calls: PostgreSQL is told once what would take three questions."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds functions

COLUMNS = {
    "event_key": "varchar(64)",
    "run_id": "varchar(64)",
    "phase_id": "varchar(64)",
    "attempt": "integer",
    "provider": "text",
    "model": "text",
    "role": "varchar(16)",
    "category": "varchar(24)",
    "total_tokens": "bigint",
    "input_tokens": "bigint",
    "cache_read_tokens": "bigint",
    "cache_write_tokens": "bigint",
    "output_tokens": "bigint",
    "reasoning_tokens": "bigint",
    "source": "varchar(16)",
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
CREATE FUNCTION autopack_record_usage(calls json) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE added integer;
BEGIN
    INSERT INTO llm_usage_events ({columns})
    SELECT {values} FROM json_to_recordset(calls) AS call ({typed})
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$
"""
# Null when the ledger refuses; what asks for another try of the transaction is raised.
TRY_RECORD = """
CREATE FUNCTION autopack_try_record_usage(calls json) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RETURN autopack_record_usage(calls);
EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE LIKE '40%' OR SQLSTATE = '55P03' THEN
        RAISE;
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        return
    present = "COALESCE(call.created_at AT TIME ZONE 'UTC', statement_timestamp())"
    values = [present if name == "created_at" else f"call.{name}" for name in COLUMNS]
    record = RECORD.format(
        columns=", ".join(COLUMNS),
        values=", ".join(values),
        typed=", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()),
    )
    op.execute(record)
    op.execute(TRY_RECORD)
