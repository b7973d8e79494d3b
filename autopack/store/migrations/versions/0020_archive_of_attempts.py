"""The archive of calls tells attempts apart; of what it has already, reservations tell."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
# Older code would archive without an attempt.
oldest_code = "0020"

SUMS = (
    "events",
    "total_tokens",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "unsplit_tokens",
    "cost_microdollars",
    "cost_picodollars",
    "unpriced_events",
)
BEFORE = ("run_id", "phase_id", "day", "model", "role", "category", "simulated", *SUMS)
MONEY: sa.types.TypeEngine[Any] = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.execute("CREATE TABLE usage_archive_before AS SELECT * FROM usage_archive")
    op.drop_table("usage_archive")
    keys = {
        "run_id": sa.String(64),
        "phase_id": sa.String(64),
        "attempt": sa.Integer(),
        "day": sa.Date(),
        "model": sa.Text(),
        "role": sa.String(16),
        "category": sa.String(24),
        "simulated": sa.Boolean(),
    }
    op.create_table(
        "usage_archive",
        *(sa.Column(key, kind, nullable=False) for key, kind in keys.items()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint(*keys, name=op.f("pk_usage_archive")),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO usage_archive ({', '.join(BEFORE)}, attempt)"  # noqa: S608
        f" SELECT {', '.join(BEFORE)}, -1 FROM usage_archive_before"
    )
    op.drop_table("usage_archive_before")
    op.add_column("budget_reservations", sa.Column("archived_tokens", sa.BigInteger()))
    op.add_column("budget_reservations", sa.Column("archived_cost", MONEY))
    _tell_attempts_apart()


def _tell_attempts_apart() -> None:
    """What builds had spent when they were settled, and the ledger does not have any more."""
    conn = op.get_bind()
    archived = "run_id IN (SELECT run_id FROM usage_archive)"
    left: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, Decimal(0)])
    events = conn.execute(
        sa.text(
            "SELECT run_id, phase_id, attempt, total_tokens, cost FROM llm_usage_events"  # noqa: S608
            f" WHERE role = 'builder' AND {archived}"
        )
    )
    for *attempt, tokens, cost in events:
        left[tuple(attempt)][0] += tokens
        left[tuple(attempt)][1] += Decimal(cost or 0)
    settled = conn.execute(
        sa.text(
            "SELECT run_id, phase_id, attempt, spent_tokens, spent_cost FROM budget_reservations"  # noqa: S608
            f" WHERE role = 'builder' AND spent_tokens IS NOT NULL AND {archived}"
        )
    ).all()
    table = sa.table(
        "budget_reservations",
        *(sa.column(name, sa.Text()) for name in ("run_id", "phase_id", "role")),
        sa.column("attempt", sa.Integer()),
        sa.column("archived_tokens", sa.BigInteger()),
        sa.column("archived_cost", MONEY),
    )
    is_sqlite = conn.dialect.name == "sqlite"
    for run_id, phase_id, attempt, tokens, cost in settled:
        now_tokens, now_cost = left[run_id, phase_id, attempt]
        money = max(Decimal(cost or 0) - now_cost, Decimal(0))
        conn.execute(
            sa.update(table)
            .where(
                table.c.run_id == run_id,
                table.c.phase_id == phase_id,
                table.c.attempt == attempt,
                table.c.role == "builder",
            )
            .values(
                archived_tokens=max(tokens - now_tokens, 0),
                archived_cost=f"{money:f}" if is_sqlite else money,
            )
        )
