"""The audit: every change and every sign-in, in a table that only grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from autopack.access.scopes import Principal
from autopack.model.pages import check_limit
from autopack.store.database.engine import Database, now
from autopack.store.reading import row_number
from autopack.store.tables import api_audit

Outcome = Literal["done", "refused", "failed"]


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to what, when and from where."""

    id: int
    at: datetime
    who: str
    via: str
    address: str | None
    action: str
    target: str | None
    outcome: str
    detail: dict[str, Any] | None


@dataclass(frozen=True)
class Deed:
    """Something that somebody did or tried: an action's name, its target, how it ended."""

    action: str
    target: str | None = None
    outcome: Outcome = "done"
    detail: Mapping[str, Any] | None = None


def note(db: Database, who: Principal, deed: Deed, *, address: str | None = None) -> None:
    """Add an entry."""

    def write(conn: sa.Connection) -> None:
        conn.execute(
            api_audit.insert().values(
                at=now(conn),
                who=who.name,
                via=who.via,
                address=address,
                action=deed.action,
                target=deed.target,
                outcome=deed.outcome,
                detail=None if deed.detail is None else dict(deed.detail),
            )
        )

    db.transact(write)


def read_audit(
    db: Database, *, limit: int = 1000, before: int | None = None
) -> tuple[list[AuditEntry], int | None]:
    """Return entries, newest first, and where the next page begins; None at the end.

    Raises BadInput naming ``limit`` or ``after``.
    """
    check_limit(limit)
    query = sa.select(api_audit).order_by(api_audit.c.id.desc()).limit(limit + 1)
    if before is not None:
        before = row_number(before, "after", hint="use `next_cursor` of the page before")
        query = query.where(api_audit.c.id < before)
    with db.read() as conn:
        rows = [AuditEntry(**row) for row in conn.execute(query).mappings()]
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
