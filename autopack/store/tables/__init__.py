"""The tables, as SQLAlchemy Core sees them; ``migrations/`` creates them.

Those of runs are here; the others have modules of their own and are known here by name.
"""

from __future__ import annotations

import sqlalchemy as sa

from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.store.columns import (
    CATEGORIES,
    ROLES,
    Category,
    DoctorModel,
    ExactDecimal,
    FreeText,
    Json,
    Role,
    Source,
    Told,
    UtcDateTime,
    metadata,
    one_of,
    state_column_type,
    storable,
)
from autopack.store.identity import database_identity
from autopack.store.tables.access import (
    api_accounts,
    api_answers,
    api_audit,
    api_keys,
    api_sessions,
    api_sign_ins,
    api_signing_keys,
)
from autopack.store.tables.budgets import (
    approvals,
    budget_campaigns,
    budget_reservations,
    circuits,
)
from autopack.store.tables.campaigns import replay_campaigns
from autopack.store.tables.control import pauses, run_events, turns
from autopack.store.tables.experiments import ab_tests, run_fingerprints
from autopack.store.tables.ledger import llm_call_intents, llm_usage_events
from autopack.store.tables.mining import mined_errors, mined_signatures
from autopack.store.tables.patterns import (
    pattern_hits,
    pattern_looks,
    pattern_sets,
    pattern_transitions,
)
from autopack.store.tables.recovery import (
    base_failures,
    consultations,
    drifts,
    installs,
    mitigations,
    normalisations,
    phase_revisions,
    reviews,
)
from autopack.store.tables.research import (
    research_answers,
    research_findings,
    research_reports,
)
from autopack.store.tables.rollups import usage_by_run
from autopack.store.tables.telemetry import sent_spans

__all__ = (
    "CATEGORIES",
    "ROLES",
    "Category",
    "DoctorModel",
    "ExactDecimal",
    "FreeText",
    "Json",
    "Role",
    "Source",
    "Told",
    "UtcDateTime",
    "ab_tests",
    "api_accounts",
    "api_answers",
    "api_audit",
    "api_keys",
    "api_sessions",
    "api_sign_ins",
    "api_signing_keys",
    "approvals",
    "attempts",
    "base_failures",
    "budget_campaigns",
    "budget_reservations",
    "circuits",
    "consultations",
    "database_identity",
    "decisions",
    "drifts",
    "installs",
    "leases",
    "llm_call_intents",
    "llm_usage_events",
    "metadata",
    "mined_errors",
    "mined_signatures",
    "mitigations",
    "normalisations",
    "pattern_hits",
    "pattern_looks",
    "pattern_sets",
    "pattern_transitions",
    "pauses",
    "phase_revisions",
    "phases",
    "plans",
    "replay_campaigns",
    "research_answers",
    "research_findings",
    "research_reports",
    "reviews",
    "run_endings",
    "run_events",
    "run_fingerprints",
    "runs",
    "sent_spans",
    "storable",
    "turns",
    "usage_by_run",
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
    sa.Column("state", state_column_type(RunState), nullable=False),
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
    # The remote that its branch and attempts are pushed to, and why the last push failed.
    sa.Column("push", sa.Text),
    sa.Column("push_error", FreeText),
    # Whether it opens a pull request when it succeeded, draft or ready, and what became of that.
    sa.Column("pr", sa.String(8)),
    sa.Column("pull_request", Json),
    # What its builders are told beyond their tasks.
    sa.Column("prompt", FreeText),
    # The finished run that it replays in its campaign, and with which features.
    sa.Column("replay_of", sa.String(64)),
    sa.Column("lane", sa.String(16)),
    # What was done otherwise than asked when its environment was made.
    sa.Column("setup_notes", Json),
    # The run that it retries from its completed phases, and where its first open phase begins:
    # with the work of that phase's attempt there, with the branch where that is null.
    sa.Column("retry_of", sa.String(64)),
    sa.Column("retry_phase", sa.String(64)),
    sa.Column("retry_attempt", sa.Integer),
    # How often it was taken from a holder that had fallen silent, by nobody's order.
    sa.Column("recoveries", sa.Integer, nullable=False, server_default="0"),
    # What that was when its last attempt ended: only those since then count.
    sa.Column("recoveries_at_progress", sa.Integer, nullable=False, server_default="0"),
    # How often that was tried since it last succeeded, and when.
    sa.Column("recovery_tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("recovery_tried_at", UtcDateTime),
    # The identity of the database that it was stored in; null where that had none at the time.
    sa.Column("database_id", sa.String(32)),
    # What the head commit's checks said in a fresh checkout; null: they were not run.
    sa.Column("final_check", Json),
    one_of("at_cap", ("fail", "ask")),
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
    sa.Column("state", state_column_type(PhaseState), nullable=False),
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
    sa.Column("state", state_column_type(AttemptState), nullable=False),
    sa.Column("base_commit", sa.String(64), nullable=False),
    sa.Column("commit", sa.String(64)),
    sa.Column("builder", sa.Text, nullable=False),
    # Which home has its spool; null where that was not noted.
    sa.Column("home", sa.String(32)),
    # Which ended build of its phase this one is, from 1: what a recording is looked up by.
    sa.Column("recorded_build", sa.Integer, nullable=False),
    sa.Column("hint", FreeText),
    sa.Column("build_status", sa.Text),
    sa.Column("exit_status", sa.Integer),
    sa.Column("summary", FreeText),
    # Who brought the build to its end, what its provider answered, and the failure's cause that
    # follows from that; null where the build ended as it should, or where that was not noted.
    sa.Column("ended_by", sa.String(16)),
    sa.Column("http_status", sa.Integer),
    sa.Column("retry_after", sa.Double),
    sa.Column("build_cause", sa.String(32)),
    # False for one that ended for trouble outside: it does not use up an attempt.
    sa.Column("counts", sa.Boolean, nullable=False, server_default=sa.true()),
    # Whether the attempt after a failed one starts from its tree.
    sa.Column("keeps_work", sa.Boolean),
    # The model that was asked for, and at which level of its ladder that is, from 0.
    sa.Column("model", sa.Text),
    sa.Column("model_level", sa.Integer, nullable=False, server_default="0"),
    # The agent's session, and the attempt whose it continues; null where that is not wanted.
    sa.Column("conversation", Json),
    sa.Column("changed_paths", Json),
    sa.Column("failure_cause", sa.Text),
    sa.Column("failure_message", FreeText),
    sa.Column("failure_output", FreeText),
    # What it left that its commit lacks, and the tests that it changed; null: not looked at.
    sa.Column("left_out", Json),
    sa.Column("changed_tests", Json),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("built_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    # When its spool was last found free of secrets; null while that is yet to be done.
    sa.Column("redacted_at", UtcDateTime),
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
    # On SQLite, the same by the machine's uptime; see `expiry`.
    sa.Column("uptime", Json),
)

# A run that is being ended: where, and with which head. Who takes it over carries that out.
run_endings = sa.Table(
    "run_endings",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    # The lease that decided it.
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", FreeText),
    sa.Column("head_commit", sa.String(64)),
    sa.Column("noted_at", UtcDateTime, nullable=False),
)
