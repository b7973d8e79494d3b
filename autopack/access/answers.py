"""Requests that are made twice: the same key and the same request get the same answer.

The answer is kept for a day. A key that is worked on, or that came with another request, is
refused; the key of a process that crashed is free again at once where that can be seen, and else
after a while. A caller who repeats it then has the request carried out
once more, which changes nothing twice: every change is a no-op when repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from autopack.model.errors import BadInput, Refused
from autopack.store.database.engine import Database, insert_new, now
from autopack.store.holders import Holder
from autopack.store.tables import api_answers

_KEPT = timedelta(days=1)
# Longer than any request takes; then its process died.
_WORKED_ON = timedelta(minutes=5)
_MOST = 200


class OtherRequest(Refused):
    """The key was used for another request."""

    kind = "other_request"


class StillRunning(Refused):
    """The first request with this key is being worked on."""

    kind = "still_running"


@dataclass(frozen=True)
class Answer:
    """What a request was answered: an HTTP status and a JSON body."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request as it is told apart from others: whose, its key, and the hash of what it asks."""

    caller: str
    key: str
    sha256: str


def begin(db: Database, request: Request) -> Answer | None:
    """Claim the key; return the answer that was given before, None when this is the first.

    Raises BadInput for a key that cannot be one, OtherRequest and StillRunning.
    """
    if not 0 < len(request.key) <= _MOST or not request.key.isprintable():
        raise BadInput(
            f"a key is 1 to {_MOST} printable characters",
            field="Idempotency-Key",
            hint="use a random UUID",
        )
    # Until there is an answer, who works on it.
    table, mine = api_answers, Holder.of_this_process().to_json()

    def write(conn: sa.Connection) -> sa.RowMapping | None:
        at = now(conn)
        abandoned = sa.and_(table.c.status.is_(None), table.c.started_at < at - _WORKED_ON)
        conn.execute(table.delete().where(sa.or_(table.c.started_at < at - _KEPT, abandoned)))
        claim = insert_new(conn, table).values(
            caller=request.caller,
            key=request.key,
            request_sha256=request.sha256,
            started_at=at,
            body=mine,
        )
        if conn.execute(claim.returning(table.c.key)).first() is not None:
            return None
        found = (
            conn.execute(sa.select(table).where(_is(request)).with_for_update()).mappings().one()
        )
        if (
            found["status"] is None
            and found["request_sha256"] == request.sha256
            and found["body"] is not None
            and Holder.from_json(found["body"]).is_gone()
        ):
            conn.execute(table.update().where(_is(request)).values(started_at=at, body=mine))
            return None
        return found

    found = db.transact(write)
    if found is None:
        return None
    if found["request_sha256"] != request.sha256:
        raise OtherRequest(
            "this key came with another request before",
            field="Idempotency-Key",
            hint="use a new one",
        )
    if found["status"] is None:
        raise StillRunning("the first request with this key is being worked on", hint="ask again")
    return Answer(found["status"], found["body"])


def find(db: Database, request: Request) -> Answer | None:
    """Return the answer that was given to this very request before, None where there is none."""
    query = sa.select(api_answers).where(_is(request), api_answers.c.status.is_not(None))
    with db.read() as conn:
        found = conn.execute(query).mappings().first()
    if found is None or found["request_sha256"] != request.sha256:
        return None
    return Answer(found["status"], found["body"])


def finish(db: Database, request: Request, answer: Answer | None) -> None:
    """Keep the answer; None frees the key, for nothing was changed."""
    table = api_answers
    change = (
        table.delete()
        if answer is None
        else table.update().values(status=answer.status, body=answer.body)
    )
    db.transact(lambda conn: conn.execute(change.where(_is(request))))


def _is(request: Request) -> sa.ColumnElement[bool]:
    return sa.and_(api_answers.c.caller == request.caller, api_answers.c.key == request.key)
