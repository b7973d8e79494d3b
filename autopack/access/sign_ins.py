"""How often a password may be tried: by account and by address, over all processes."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import sqlalchemy as sa

from autopack.model.errors import Refused
from autopack.store.database.engine import Database, now
from autopack.store.tables import api_sign_ins

WINDOW = timedelta(minutes=15)
MOST_OF_ACCOUNT = 10
MOST_OF_ADDRESS = 50
_KEPT = timedelta(days=30)
_WIDTH = 64


class TooManyTries(Refused):
    """Too many failed sign-ins; ``retry_after`` is in seconds."""

    kind = "too_many_tries"

    def __init__(self) -> None:
        super().__init__(
            "too many failed sign-ins", hint=f"try again in {WINDOW.seconds // 60} minutes"
        )
        self.retry_after = WINDOW.seconds


def admit(db: Database, account: str, address: str) -> int:
    """Return the number of a try, which counts as failed until `succeed` says otherwise.

    It is noted before the password is looked at: of many at once no more are let in than of as
    many in a row. Raises TooManyTries when this account, or this address, has failed too often of
    late. An account that does not exist has limits, too: whether it does must not be told.
    """
    table = api_sign_ins
    number = note_sign_in(db, account, address, succeeded=False)
    with db.read() as conn:
        since = db.now(conn) - WINDOW
        recent = sa.and_(table.c.at > since, table.c.succeeded.is_(False))
        of_account, of_address = (
            conn.execute(sa.select(sa.func.count()).where(recent, column == value)).scalar_one()
            for column, value in (
                (table.c.account, account[:_WIDTH]),
                (table.c.address, _network(address)),
            )
        )
    if of_account > MOST_OF_ACCOUNT or of_address > MOST_OF_ADDRESS:
        # One that was not looked at does not keep the account shut.
        db.transact(lambda conn: conn.execute(table.delete().where(table.c.id == number)))
        raise TooManyTries
    return number


def succeed(db: Database, number: int) -> None:
    """Say of a try that the password was right."""
    mine = api_sign_ins.c.id == number
    db.transact(lambda conn: conn.execute(api_sign_ins.update().where(mine).values(succeeded=True)))


def note_sign_in(db: Database, account: str, address: str, *, succeeded: bool) -> int:
    """Keep that somebody tried, and return its number; what is older than a month is removed."""
    row = {"account": account[:_WIDTH], "address": _network(address), "succeeded": succeeded}

    def write(conn: sa.Connection) -> int:
        at = now(conn)
        conn.execute(api_sign_ins.delete().where(api_sign_ins.c.at < at - _KEPT))
        adding = api_sign_ins.insert().values(row | {"at": at}).returning(api_sign_ins.c.id)
        return conn.execute(adding).scalar_one()

    return db.transact(write)


def _network(address: str) -> str:
    """Return what somebody can be told by who has that address: of IPv6, the 64 bits that a
    customer is given, for the other half is theirs to choose.
    """
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_WIDTH]
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, 64), strict=False))
