"""The tables of the API: who may use it, what they did, and what they were answered."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import FreeText, Json, UtcDateTime, metadata

api_accounts = sa.Table(
    "api_accounts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    # Tokens of an earlier one hold no more: a new password begins another, and being kept out.
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.String(16), primary_key=True),
    # The keyed hash of its text, which is stored nowhere.
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    # Whose it is; null for one that was made at the machine. It ends with its account.
    sa.Column("account", sa.String(64), sa.ForeignKey("api_accounts.name")),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    # To the minute, so that reading does not write.
    sa.Column("last_used_at", UtcDateTime),
    # The key that asked for this one, with which it ends.
    sa.Column("made_by_key", sa.String(16)),
    sa.UniqueConstraint("digest"),
)

# RSA keys that sign tokens. The newest that is not retired signs; a retired one only verifies.
api_signing_keys = sa.Table(
    "api_signing_keys",
    metadata,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("public_jwk", Json, nullable=False),
    # The private key, encrypted by the secret of the home; null once it is retired.
    sa.Column("sealed", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("retired_at", UtcDateTime),
)

# People who are signed in on the page, by the keyed hash of their cookie.
api_sessions = sa.Table(
    "api_sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(64), sa.ForeignKey("api_accounts.name"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index(None, "account"),
)

api_sign_ins = sa.Table(
    "api_sign_ins",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("succeeded", sa.Boolean, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "account", "at"),
    sa.Index(None, "address", "at"),
)

# Append-only: triggers refuse to change or remove a row.
api_audit = sa.Table(
    "api_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("via", sa.String(16), nullable=False),
    sa.Column("address", sa.String(64)),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("target", FreeText),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("detail", Json),
)

# What a request with an Idempotency-Key was answered; ``status`` is null while it is worked on,
# by the process that ``body`` then names.
api_answers = sa.Table(
    "api_answers",
    metadata,
    sa.Column("caller", sa.String(200), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("request_sha256", sa.String(64), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("body", Json),
    sa.Index(None, "started_at"),
)
