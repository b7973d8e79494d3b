"""Sessions of people who signed in on the page: opened, found by their cookie, ended.

Only a keyed hash of the cookie is stored. A session ends by signing out, after twelve hours, with
its account, and when the account gets another password.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta

import sqlalchemy as sa

from autopack.access.accounts import Account
from autopack.access.scopes import Principal
from autopack.access.secret import ApiSecret
from autopack.store.database.engine import Database, now
from autopack.store.tables import api_accounts, api_sessions

LIFETIME = timedelta(hours=12)
_PURPOSE, _FORMS = "session", "form"
_MOST = 128


def open_session(db: Database, secret: ApiSecret, account: str) -> str:
    """Open a session of an account, and return the text of its cookie; it is stored nowhere."""
    text = secrets.token_urlsafe(32)

    def write(conn: sa.Connection) -> None:
        at = now(conn)
        conn.execute(api_sessions.delete().where(api_sessions.c.expires_at <= at))
        row = {"account": account, "created_at": at, "expires_at": at + LIFETIME}
        conn.execute(api_sessions.insert().values(digest=secret.digest(_PURPOSE, text), **row))

    db.transact(write)
    return text


def use_session(db: Database, secret: ApiSecret, text: str) -> Principal | None:
    """Return who the cookie belongs to; None when its session is unknown or has ended."""
    if not 0 < len(text) <= _MOST:
        return None
    query = (
        sa.select(api_accounts, api_sessions.c.expires_at)
        .join(api_sessions, api_sessions.c.account == api_accounts.c.name)
        .where(api_sessions.c.digest == secret.digest(_PURPOSE, text))
        .where(api_accounts.c.active.is_(True))
    )
    with db.read() as conn:
        row = conn.execute(query).mappings().first()
        if row is None or row["expires_at"] <= db.now(conn):
            return None
    return Account.of(row).principal("session")


def end_session(db: Database, secret: ApiSecret, text: str) -> bool:
    """End the session of a cookie; return whether there was one."""
    mine = api_sessions.c.digest == secret.digest(_PURPOSE, text)
    return db.transact(lambda conn: conn.execute(api_sessions.delete().where(mine)).rowcount > 0)


def form_token(secret: ApiSecret, text: str) -> str:
    """Return what every form that is shown to the holder of this cookie carries."""
    return secret.digest(_FORMS, text)


def is_form_token(secret: ApiSecret, text: str, given: str) -> bool:
    """Return whether a form was shown to the holder of this cookie."""
    return hmac.compare_digest(form_token(secret, text).encode(), given.encode())
