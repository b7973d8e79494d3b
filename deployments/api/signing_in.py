"""Signing in by name and password, as the API and the page do it: bounded, and in the audit."""

from __future__ import annotations

from autopack.access import accounts, audit, sign_ins
from autopack.access.accounts import Account
from autopack.access.audit import Deed
from autopack.access.scopes import Principal
from autopack.model.errors import BadInput
from autopack.store.database.engine import Database


def sign_in(db: Database, given: str, password: str, address: str) -> Account | None:
    """Return the account, None for a wrong name or password alike. Raises TooManyTries."""
    try:
        name = accounts.account_name(given)
    except BadInput:
        name = given[:64]
    number = sign_ins.admit(db, name, address)
    account = accounts.check_sign_in(db, name, password)
    if account is not None:
        sign_ins.succeed(db, number)
    outcome = "done" if account else "refused"
    who = Principal(name, "session", frozenset())
    audit.note(db, who, Deed("account.sign_in", name, outcome), address=address)
    return account
