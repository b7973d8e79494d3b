"""Keys, accounts and signing keys of the API, its append-only audit and its answers."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds tables

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True)

APPEND_ONLY_SQLITE = """
CREATE TRIGGER api_audit_no_{verb} BEFORE {verb} ON api_audit
BEGIN SELECT RAISE(ABORT, 'api_audit is append-only'); END
"""
APPEND_ONLY_POSTGRESQL = """
CREATE TRIGGER api_audit_no_{verb} BEFORE {verb} ON api_audit
FOR EACH {unit} EXECUTE FUNCTION autopack_refuse_change()
"""


def upgrade() -> None:
    op.create_table(
        "api_accounts",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_api_accounts")),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("account", sa.String(64)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        sa.ForeignKeyConstraint(
            ["account"], ["api_accounts.name"], name=op.f("fk_api_keys_account_api_accounts")
        ),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_table(
        "api_signing_keys",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("public_jwk", JSON, nullable=False),
        sa.Column("sealed", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("retired_at", TIME),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_api_signing_keys")),
    )
    op.create_table(
        "api_sign_ins",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_sign_ins")),
    )
    op.create_index(op.f("ix_api_sign_ins_account_at"), "api_sign_ins", ["account", "at"])
    op.create_index(op.f("ix_api_sign_ins_address_at"), "api_sign_ins", ["address", "at"])
    op.create_table(
        "api_audit",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.Text()),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detail", JSON),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_audit")),
    )
    op.create_table(
        "api_answers",
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", JSON),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_api_answers")),
    )
    op.create_index(op.f("ix_api_answers_started_at"), "api_answers", ["started_at"])
    if op.get_context().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(APPEND_ONLY_SQLITE.format(verb=verb))
    else:
        for verb, unit in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(APPEND_ONLY_POSTGRESQL.format(verb=verb, unit=unit))
