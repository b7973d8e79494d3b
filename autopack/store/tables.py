"""The tables, as SQLAlchemy Core sees them; ``migrations/`` creates them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from autopack.store.states import AttemptState, PhaseState, RunState

Role = Literal["builder", "doctor", "reviewer", "research"]
Category = Literal["base", "retrieval", "second_opinion", "evidence_request"]
Source = Literal["provider", "estimated", "partial"]
DoctorModel = Literal["cheap", "strong"]

ROLES: tuple[Role, ...] = get_args(Role)
CATEGORIES: tuple[Category, ...] = get_args(Category)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept and returned in UTC on either engine."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """Money without rounding: NUMERIC, but text on SQLite, whose numbers are floats."""

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else sa.Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        if value is None or dialect.name != "sqlite":
            return value
        return format(value, "f")

    def process_result_value(self, value: Decimal | str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class FreeText(TypeDecorator[str]):
    """Text that came from programs: NUL and lone surrogates, which engines refuse, are replaced."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """The text with every NUL and every lone surrogate replaced."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


# Plain JSON, not JSONB: JSONB refuses the NUL and lone surrogates that file names may hold.
# Nothing depends on the order of keys.
Json = sa.JSON(none_as_null=True)


def _state(enum: type[RunState] | type[PhaseState] | type[AttemptState]) -> sa.Enum:
    return sa.Enum(enum, name="state", native_enum=False, create_constraint=True, length=40)


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("plan_hash", sa.String(64), primary_key=True),
    sa.Column("body", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("plan_hash", sa.String(64), sa.ForeignKey("plans.plan_hash"), nullable=False),
    sa.Column("goal", FreeText, nullable=False),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("base_commit", sa.String(64), nullable=False),
    sa.Column("head_commit", sa.String(64)),
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("builder", sa.Text, nullable=False),
    sa.Column("builder_options", Json, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("models", Json, nullable=False),
    sa.Column("features", Json, nullable=False),
    # What the project is built with at its base commit; null until the first session has looked.
    sa.Column("toolchains", Json),
    sa.Column("token_cap", sa.BigInteger, nullable=False),
    sa.Column("cost_cap", ExactDecimal),
    sa.Column("minutes_cap", sa.Double, nullable=False),
    sa.Column("at_cap", sa.String(8), nullable=False),
    sa.Column("state", _state(RunState), nullable=False),
    sa.Column("failure_reason", FreeText),
    sa.Column("cancel_requested_at", UtcDateTime),
    sa.Column("flow_run_id", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    # Working time of earlier sessions, in seconds: the minutes cap does not count idle time.
    sa.Column("elapsed_seconds", sa.Double, nullable=False, server_default="0"),
    # Whose budget it shares; null for a run of its own.
    sa.Column("campaign_id", sa.String(64)),
    # What its builders are told beyond their tasks.
    sa.Column("prompt", FreeText),
    # The finished run that it replays in its campaign, and with which features.
    sa.Column("replay_of", sa.String(64)),
    sa.Column("lane", sa.String(16)),
    _one_of("at_cap", ("fail", "ask")),
    sa.Index(None, "created_at", "run_id"),
    sa.Index(None, "state", "created_at", "run_id"),
    sa.Index(None, "flow_run_id"),
    sa.Index(None, "campaign_id"),
    # No run is replayed twice in one lane.
    sa.Index("uq_runs_campaign_id_replay_of_lane", "campaign_id", "replay_of", "lane", unique=True),
)

phases = sa.Table(
    "phases",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("state", _state(PhaseState), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.Column("commit", sa.String(64)),
    sa.Column("failure_cause", sa.Text),
    sa.Column("failure_message", FreeText),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", _state(AttemptState), nullable=False),
    sa.Column("base_commit", sa.String(64), nullable=False),
    sa.Column("commit", sa.String(64)),
    sa.Column("builder", sa.Text, nullable=False),
    # Which ended build of its phase this one is, from 1: what a recording is looked up by.
    sa.Column("recorded_build", sa.Integer, nullable=False),
    sa.Column("hint", FreeText),
    sa.Column("build_status", sa.Text),
    sa.Column("exit_status", sa.Integer),
    sa.Column("summary", FreeText),
    sa.Column("changed_paths", Json),
    sa.Column("failure_cause", sa.Text),
    sa.Column("failure_message", FreeText),
    sa.Column("failure_output", FreeText),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("built_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", FreeText, nullable=False),
    # Where a decision to stop ends the run.
    sa.Column("run_state", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    sa.Index(None, "run_id", "phase_id"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", Json),
    sa.Column("expires_at", UtcDateTime),  # null: released, or never taken
)

# A plan that was made from plain text: the text, and how far the plan can be trusted.
normalisations = sa.Table(
    "normalisations",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("text", FreeText, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("deliverables", Json, nullable=False),
    sa.Column("scope", Json, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("confidence_parts", Json, nullable=False),
    sa.Column("warnings", Json, nullable=False),
)

# A known failure that was met without a model.
mitigations = sa.Table(
    "mitigations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("pattern_id", sa.Text, nullable=False),
    # Every action was carried out.
    sa.Column("success", sa.Boolean, nullable=False),
    # The failure was gone afterwards; else every action was undone.
    sa.Column("fixed", sa.Boolean, nullable=False),
    sa.Column("actions_taken", Json, nullable=False),
    sa.Column("suggestions", Json, nullable=False),
    # The attempt passed, and without that a doctor would have been asked: which one.
    sa.Column("doctor_call_skipped", sa.Boolean, nullable=False),
    sa.Column("doctor_model", sa.String(16)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    sa.Index(None, "run_id", "phase_id", "attempt"),
)

# The tests that fail before a run changes anything, by commit, command and environment.
base_failures = sa.Table(
    "base_failures",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("command", Json, nullable=False),
    sa.Column("tests", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# The instructions that a replan gave a phase, by the revision from which they are in force.
phase_revisions = sa.Table(
    "phase_revisions",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("instructions", FreeText, nullable=False),
    sa.Column("reason", FreeText, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
)

# How far each revision of a phase strays from the goal of its run.
drifts = sa.Table(
    "drifts",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("similarity", sa.Double),  # null: a text has no word to compare
    sa.Column("cosine", sa.Double, nullable=False),
    sa.Column("embedder", sa.Text, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("drifted", sa.Boolean, nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
)

# One call of a doctor, and what it answered.
consultations = sa.Table(
    "consultations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("tier", sa.String(16), nullable=False),
    # Why the routing rules asked this doctor.
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("infrastructure", sa.Boolean, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("rationale", FreeText, nullable=False),
    sa.Column("hint", FreeText, nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("commands", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    sa.Index(None, "run_id", "phase_id"),
)

# No foreign key to runs: money spent is recorded even where the run is gone.
llm_usage_events = sa.Table(
    "llm_usage_events",
    metadata,
    sa.Column("event_key", sa.String(64), primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("category", sa.String(24), nullable=False),
    sa.Column("total_tokens", sa.BigInteger, nullable=False),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("cache_read_tokens", sa.BigInteger),
    sa.Column("cache_write_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("reasoning_tokens", sa.BigInteger),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("cost", ExactDecimal),
    sa.Column("price_version", sa.Text),
    sa.Column("is_doctor_call", sa.Boolean, nullable=False),
    sa.Column("doctor_model", sa.String(16)),
    sa.Column("doctor_action", sa.Text),
    sa.Column("response_id", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    _one_of("role", ROLES),
    _one_of("category", CATEGORIES),
    _one_of("source", get_args(Source)),
    _one_of("doctor_model", get_args(DoctorModel)),
    sa.CheckConstraint(
        "total_tokens >= 0 AND input_tokens >= 0 AND cache_read_tokens >= 0"
        " AND cache_write_tokens >= 0 AND output_tokens >= 0 AND reasoning_tokens >= 0",
        name="not_negative",
    ),
    sa.CheckConstraint(
        "(input_tokens IS NULL AND cache_read_tokens IS NULL"
        " AND cache_write_tokens IS NULL AND output_tokens IS NULL)"
        " OR (input_tokens IS NOT NULL AND cache_read_tokens IS NOT NULL"
        " AND cache_write_tokens IS NOT NULL AND output_tokens IS NOT NULL"
        " AND total_tokens"
        " = input_tokens + cache_read_tokens + cache_write_tokens + output_tokens)",
        name="split",
    ),
    sa.CheckConstraint(
        "reasoning_tokens <= COALESCE(output_tokens, total_tokens)", name="reasoning"
    ),
    sa.Index(None, "run_id", "phase_id", "attempt"),
    # Doctor calls are few: these serve the estimate of what a call that was not made had cost.
    sa.Index(
        "ix_llm_usage_events_doctor_recent",
        "created_at",
        "event_key",
        sqlite_where=sa.text("is_doctor_call IS 1"),
        postgresql_where=sa.text("is_doctor_call IS true"),
    ),
    sa.Index(
        "ix_llm_usage_events_doctor_tier",
        "doctor_model",
        "created_at",
        "event_key",
        sqlite_where=sa.text("is_doctor_call IS 1"),
        postgresql_where=sa.text("is_doctor_call IS true"),
    ),
    sa.Index(
        "ix_llm_usage_events_doctor_run",
        "run_id",
        "created_at",
        "event_key",
        sqlite_where=sa.text("is_doctor_call IS 1"),
        postgresql_where=sa.text("is_doctor_call IS true"),
    ),
)

llm_call_intents = sa.Table(
    "llm_call_intents",
    metadata,
    sa.Column("intent_key", sa.String(64), primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    _one_of("role", ROLES),
    sa.Index(None, "run_id", "phase_id", "attempt"),
)

budget_campaigns = sa.Table(
    "budget_campaigns",
    metadata,
    sa.Column("campaign_id", sa.String(64), primary_key=True),
    sa.Column("token_cap", sa.BigInteger),
    sa.Column("cost_cap", ExactDecimal),
    sa.Column("minutes_cap", sa.Double),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# What a build may spend, set aside before it starts; settled from the ledger when it has ended.
budget_reservations = sa.Table(
    "budget_reservations",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("cost", ExactDecimal),
    sa.Column("minutes", sa.Double, nullable=False),
    sa.Column("spent_tokens", sa.BigInteger),
    sa.Column("spent_cost", ExactDecimal),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("settled_at", UtcDateTime),
    sa.ForeignKeyConstraint(
        ["run_id", "phase_id", "attempt"],
        ["attempts.run_id", "attempts.phase_id", "attempts.attempt"],
    ),
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
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    _one_of("kind", ("cap", "phase")),
    _one_of("level", ("campaign", "run", "phase")),
    _one_of("resource", ("tokens", "cost", "minutes")),
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
    _one_of("state", ("closed", "open", "half_open")),
)
