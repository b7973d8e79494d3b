"""How often a password may be tried: by account and by address, over all processes."""

from __future__ import annotations

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


def admit(db: Database, account: str, address: str) -> None:
    """Raise TooManyTries when this account, or this address, has failed too often of late.

    An account that does not exist has limits, too: whether it does must not be told.
    """
    table = api_sign_ins
    with db.read() as conn:
        since = db.now(conn) - WINDOW
        recent = sa.and_(table.c.at > since, table.c.succeeded.is_(False))
        of_account, of_address = (
            conn.execute(sa.select(sa.func.count()).where(recent, column == value)).scalar_one()
            for column, value in (
                (table.c.account, account[:_WIDTH]),
                (table.c.address, address[:_WIDTH]),
            )
        )
    if of_account >= MOST_OF_ACCOUNT or of_address >= MOST_OF_ADDRESS:
        raise TooManyTries


def note_sign_in(db: Database, account: str, address: str, *, succeeded: bool) -> None:
    """Keep that somebody tried; what is older than a month is removed."""

    def write(conn: sa.Connection) -> None:
        at = now(conn)
        conn.execute(api_sign_ins.delete().where(api_sign_ins.c.at < at - _KEPT))
        conn.execute(
            api_sign_ins.insert().values(
                account=account[:_WIDTH], address=address[:_WIDTH], succeeded=succeeded, at=at
            )
        )

    db.transact(write)
