"""The tables of what may be spent, of questions to people, and of circuits of providers."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import ROLES, ExactDecimal, FreeText, UtcDateTime, metadata, one_of

budget_campaigns = sa.Table(
    "budget_campaigns",
    metadata,
    sa.Column("campaign_id", sa.String(64), primary_key=True),
    sa.Column("token_cap", sa.BigInteger),
    sa.Column("cost_cap", ExactDecimal),
    sa.Column("minutes_cap", sa.Double),
    # What the caps are for: all of its runs together, or what is spent on each day or month (UTC).
    sa.Column("period", sa.String(8)),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# What a call may spend, set aside before it starts and settled when it has ended: a build, or the
# ``call``-th of another role in the attempt. No foreign key: research precedes all attempts.
budget_reservations = sa.Table(
    "budget_reservations",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("role", sa.String(16), primary_key=True),
    sa.Column("call", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("cost", ExactDecimal),
    sa.Column("minutes", sa.Double, nullable=False),
    sa.Column("spent_tokens", sa.BigInteger),
    sa.Column("spent_cost", ExactDecimal),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("settled_at", UtcDateTime),
    # What a build spent that was archived before the archive told attempts apart.
    sa.Column("archived_tokens", sa.BigInteger),
    sa.Column("archived_cost", ExactDecimal),
    one_of("role", ROLES),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    # Of a question about a cap: whose cap, on what.
    sa.Column("level", sa.String(16)),
    sa.Column("resource", sa.String(16)),
    sa.Column("question", FreeText, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("approved", sa.Boolean),
    sa.Column("answered_at", UtcDateTime),
    sa.Column("answered_by", sa.Text),
    sa.Column("new_cap", ExactDecimal),
    sa.Column("note", FreeText),
    # Of a question about work that no reviewer approved: whose work.
    sa.Column("attempt", sa.Integer),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    one_of("kind", ("cap", "phase")),
    one_of("level", ("campaign", "run", "phase")),
    one_of("resource", ("tokens", "cost", "minutes")),
    sa.Index(None, "run_id", "phase_id"),
)

circuits = sa.Table(
    "circuits",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("successes", sa.Integer, nullable=False),
    sa.Column("probes", sa.Integer, nullable=False),
    # Counts changes of state; a call belongs to the one in which it was admitted.
    sa.Column("transitions", sa.Integer, nullable=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("last_error", FreeText),
    one_of("state", ("closed", "open", "half_open")),
)
