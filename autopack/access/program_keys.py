"""API keys: made, found by their text, listed, revoked. Only a keyed hash of the text is stored."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from autopack.access.key_text import check_key, new_key
from autopack.access.scopes import Forbidden, Principal, Scope, scopes_within
from autopack.access.secret import ApiSecret
from autopack.model.errors import BadInput, NotFound
from autopack.store.database.engine import Database, now
from autopack.store.tables import api_accounts, api_keys

_PURPOSE = "key"
# A key that is used all day is written once a minute, not once a request.
_USE_IS_KEPT_TO = timedelta(minutes=1)
_MOST_NAME = 100
# Made once: it is asked for each request.
_USABLE = (
    sa.select(api_keys)
    .outerjoin(api_accounts, api_accounts.c.name == api_keys.c.account)
    .where(api_keys.c.digest == sa.bindparam("digest"))
    .where(sa.or_(api_keys.c.account.is_(None), api_accounts.c.active.is_(True)))
)


@dataclass(frozen=True)
class ApiKey:
    """A key without its text; ``account`` is whose it is, None for one made at the machine."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    account: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    made_by_key: str | None

    @classmethod
    def of(cls, row: sa.RowMapping) -> ApiKey:
        values: dict[str, Any] = {name: row[name] for name in cls.__dataclass_fields__}
        values["scopes"] = frozenset(map(Scope, row["scopes"]))
        return cls(**values)


@dataclass(frozen=True)
class NewKey:
    """A key to be made; ``expires_at`` is None for one that only ends when it is revoked."""

    name: str
    scopes: frozenset[Scope]
    account: str | None = None
    expires_at: datetime | None = None


def create_key(
    db: Database, secret: ApiSecret, wanted: NewKey, maker: Principal
) -> tuple[str, ApiKey]:
    """Make a key, and return its text, which is not stored, with the key.

    One that a key makes ends with that key. Raises BadInput for a name or an expiry that cannot be
    used, Forbidden for scopes that its maker does not have, or an expiry after its maker's own.
    """
    name = wanted.name.strip()
    if not name or len(name) > _MOST_NAME or not name.isprintable():
        raise BadInput(
            f"a key's name is 1 to {_MOST_NAME} printable characters",
            field="name",
            hint="name what will use it, such as nightly-ci",
        )
    scopes = scopes_within(wanted.scopes, maker)
    expires_at = _expiry_within(wanted.expires_at, maker)
    text = new_key()

    def write(conn: sa.Connection) -> ApiKey:
        at = now(conn)
        if wanted.expires_at is not None and wanted.expires_at <= at:
            raise BadInput(
                "this expiry is in the past", field="expires", hint="use 30d, or a later date"
            )
        row = {
            "key_id": secrets.token_hex(6),
            "digest": secret.digest(_PURPOSE, text),
            "name": name,
            "scopes": sorted(scopes),
            "account": wanted.account,
            "created_at": at,
            "created_by": maker.name,
            "expires_at": expires_at,
            "made_by_key": maker.key_id,
        }
        conn.execute(api_keys.insert().values(row))
        return _one(conn, api_keys.c.key_id == row["key_id"])

    return text, db.transact(write)


def use_key(db: Database, secret: ApiSecret, text: str) -> Principal | None:
    """Return who a key belongs to; None when it is unknown, expired, revoked or its account ended.

    Raises BadInput, without asking the database, for a text that cannot be a key.
    """
    digest = secret.digest(_PURPOSE, check_key(text))
    with db.read() as conn:
        row = conn.execute(_USABLE, {"digest": digest}).mappings().first()
        at = db.now(conn)
    if row is None:
        return None
    key = ApiKey.of(row)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= at):
        return None
    if key.last_used_at is None or at - key.last_used_at >= _USE_IS_KEPT_TO:
        mine = api_keys.c.key_id == key.key_id
        db.transact(
            lambda conn: conn.execute(api_keys.update().where(mine).values(last_used_at=at))
        )
    name = key.account or f"key {key.name}"
    return Principal(name, "key", key.scopes, key.account, key.key_id, key.expires_at)


def list_keys(db: Database, *, account: str | None = None) -> list[ApiKey]:
    """Return the keys, newest first: all, or those of an account."""
    query = sa.select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.key_id)
    if account is not None:
        query = query.where(api_keys.c.account == account)
    with db.read() as conn:
        return [ApiKey.of(row) for row in conn.execute(query).mappings()]


def get_key(db: Database, key_id: str, *, account: str | None = None) -> ApiKey:
    """Return a key, with ``account`` only one of its own. Raises NotFound."""
    with db.read() as conn:
        return _one(conn, _which(key_id, account))


def revoke_key(db: Database, key_id: str, *, account: str | None = None) -> bool:
    """End a key at once, with those that it made; return whether it was in use until now.

    With ``account``, only one of that account's own. Raises NotFound.
    """
    mine = _which(key_id, account)

    def write(conn: sa.Connection) -> bool:
        at, left = now(conn), [_one(conn, mine)]
        was_in_use = left[0].revoked_at is None
        while left:
            key_id = left.pop().key_id
            one = sa.and_(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
            conn.execute(api_keys.update().where(one).values(revoked_at=at))
            made = sa.select(api_keys).where(api_keys.c.made_by_key == key_id)
            left += [ApiKey.of(row) for row in conn.execute(made).mappings()]
        return was_in_use

    return db.transact(write)


def _expiry_within(asked: datetime | None, maker: Principal) -> datetime | None:
    """Return when a key ends: with its maker, where that ends and nothing earlier is asked for."""
    if maker.until is None:
        return asked
    if asked is not None and asked > maker.until:
        raise Forbidden(
            f"{maker.name} ends earlier itself",
            field="expires",
            hint="name none, or an earlier one",
        )
    return asked or maker.until


def _which(key_id: str, account: str | None) -> sa.ColumnElement[bool]:
    mine = api_keys.c.key_id == key_id
    return mine if account is None else sa.and_(mine, api_keys.c.account == account)


def _one(conn: sa.Connection, which: sa.ColumnElement[bool]) -> ApiKey:
    row = conn.execute(sa.select(api_keys).where(which)).mappings().first()
    if row is None:
        raise NotFound("unknown key", field="key_id", hint="autopack api keys list")
    return ApiKey.of(row)
