"""Accounts of people: a name, a password kept as an argon2id hash, scopes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from autopack.access.scopes import Principal, Scope, scopes_within
from autopack.model.errors import BadInput, NotFound
from autopack.store.database.engine import Database, insert_new, now
from autopack.store.tables import api_accounts, api_sessions

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_LEAST_PASSWORD, _MOST_PASSWORD = 12, 1024
_NEXT = {"generation": api_accounts.c.generation + 1}


@dataclass(frozen=True)
class Account:
    """An account without its password; tokens of an earlier ``generation`` hold no more."""

    name: str
    scopes: frozenset[Scope]
    active: bool
    created_at: datetime
    created_by: str
    generation: int = field(default=0, compare=False)

    @classmethod
    def of(cls, row: sa.RowMapping) -> Account:
        return cls(
            row["name"],
            frozenset(map(Scope, row["scopes"])),
            row["active"],
            row["created_at"],
            row["created_by"],
            row["generation"],
        )

    def principal(self, via: str) -> Principal:
        """Return this account as the caller of a request."""
        kind = "session" if via == "session" else "token"
        return Principal(self.name, kind, self.scopes, account=self.name)


def account_name(text: str) -> str:
    """Return a name as it is stored: names that look alike are one. Raises BadInput."""
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{text!r} cannot be an account's name",
            field="name",
            hint="use letters, digits, '.', '_', '@' and '-', at most 64",
        )
    return name


def add_account(
    db: Database, name: str, password: str, scopes: frozenset[Scope], maker: Principal
) -> Account:
    """Make an account. Raises BadInput for a taken name or a weak password, and Forbidden."""
    name = account_name(name)
    _check_password(password, name)
    row = {
        "name": name,
        "password_hash": _hasher().hash(password),
        "scopes": sorted(scopes_within(scopes, maker)),
        "active": True,
        "created_by": maker.name,
    }

    def write(conn: sa.Connection) -> Account:
        adding = insert_new(conn, api_accounts).values(row | {"created_at": now(conn)})
        if conn.execute(adding.returning(api_accounts.c.name)).first() is None:
            raise BadInput(f"there is an account {name!r}", field="name", hint="use another name")
        return _one(conn, name)

    return db.transact(write)


def check_sign_in(db: Database, name: str, password: str) -> Account | None:
    """Return the active account whose password this is, else None.

    Whether the name, the password or the account's state was wrong is told by nothing, nor by the
    time that the answer takes: a hash is always computed.
    """
    from argon2.exceptions import InvalidHashError, VerifyMismatchError

    try:
        known = account_name(name)
    except BadInput:
        known = ""
    with db.read() as conn:
        query = sa.select(api_accounts).where(api_accounts.c.name == known)
        row = conn.execute(query).mappings().first()
    try:
        _hasher().verify(
            _hash_of_nobody() if row is None else row["password_hash"], password[:_MOST_PASSWORD]
        )
    except (VerifyMismatchError, InvalidHashError):
        return None
    return None if row is None or not row["active"] else Account.of(row)


def set_active(db: Database, name: str, active: bool) -> bool:
    """Let an account in or keep it out, its tokens and keys too; return whether that changed.

    Its sessions and tokens end for good. Raises NotFound.
    """
    name = account_name(name)

    def write(conn: sa.Connection) -> bool:
        if _one(conn, name).active == active:
            return False
        mine = api_accounts.c.name == name
        conn.execute(api_accounts.update().where(mine).values(active=active, **_NEXT))
        conn.execute(api_sessions.delete().where(api_sessions.c.account == name))
        return True

    return db.transact(write)


def set_password(db: Database, name: str, password: str) -> None:
    """Give an account another password; its sessions and tokens end.

    Its keys, which it handles one by one, stay. Raises NotFound, BadInput.
    """
    name = account_name(name)
    _check_password(password, name)
    hashed = _hasher().hash(password)

    def write(conn: sa.Connection) -> None:
        _one(conn, name)
        mine = api_accounts.c.name == name
        conn.execute(api_accounts.update().where(mine).values(password_hash=hashed, **_NEXT))
        conn.execute(api_sessions.delete().where(api_sessions.c.account == name))

    db.transact(write)


def list_accounts(db: Database) -> list[Account]:
    """Return every account, by name."""
    with db.read() as conn:
        query = sa.select(api_accounts).order_by(api_accounts.c.name)
        return [Account.of(row) for row in conn.execute(query).mappings()]


def find_account(db: Database, name: str) -> Account | None:
    """Return the account of that stored name, active or not; None when there is none."""
    with db.read() as conn:
        query = sa.select(api_accounts).where(api_accounts.c.name == name)
        row = conn.execute(query).mappings().first()
    return None if row is None else Account.of(row)


def _one(conn: sa.Connection, name: str) -> Account:
    row = (
        conn.execute(sa.select(api_accounts).where(api_accounts.c.name == name)).mappings().first()
    )
    if row is None:
        raise NotFound(f"unknown account: {name}", field="name", hint="autopack api user list")
    return Account.of(row)


def _check_password(password: str, name: str) -> None:
    if not _LEAST_PASSWORD <= len(password) <= _MOST_PASSWORD or name in password.casefold():
        raise BadInput(
            f"a password has {_LEAST_PASSWORD} to {_MOST_PASSWORD} characters, "
            "and the account's name is not part of it",
            field="password",
            hint="let a password manager make one",
        )


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()  # argon2id with the parameters of RFC 9106 for little memory


@cache
def _hash_of_nobody() -> str:
    return _hasher().hash("the password of an account that does not exist")
