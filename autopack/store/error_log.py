"""The log of errors: what really went wrong in every attempt that failed."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.model.ids import AttemptKey
from autopack.store.attempt_facts import facts_of_attempt
from autopack.store.database.engine import insert_new, now
from autopack.store.tables.rollups import error_logs


def log_error(
    conn: sa.Connection,
    key: AttemptKey,
    *,
    error_type: str,
    message: str | None,
    output: str | None,
) -> None:
    """Keep an attempt's error, and the known pattern that caught it if one did."""
    facts = facts_of_attempt(conn, key)
    conn.execute(
        insert_new(conn, error_logs).values(
            **vars(key),
            error_type=error_type,
            message=message,
            output=output,
            pattern_id=facts.failure_pattern_detected,
            created_at=now(conn),
        )
    )
