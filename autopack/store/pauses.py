"""Pauses: while one is about a run, its builder, its provider or everything, no build starts.

Each is a latch of its own: lifting one never lifts another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from autopack.model.errors import AutopackError, BadInput, Refused
from autopack.model.ids import check_id
from autopack.store import tables
from autopack.store.database.engine import Database, insert_new, now, reading
from autopack.store.reading import Source, get_run
from autopack.store.rows import RunRow

PauseKind = Literal["run", "builder", "provider", "all"]

_ALL = sa.select(tables.pauses).order_by(tables.pauses.c.kind, tables.pauses.c.name)


@dataclass(frozen=True, order=True)
class Latch:
    """What is paused: a run, the builds of a builder or by a provider, or all of them."""

    kind: PauseKind
    name: str = ""

    def __str__(self) -> str:
        return "everything" if self.kind == "all" else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Pause:
    """A latch that is set. ``now`` also interrupts the build that is under way."""

    latch: Latch
    now: bool
    since: datetime
    by: str
    note: str | None

    def __str__(self) -> str:
        why = f": {self.note}" if self.note else ""
        return f"{self.latch} is paused by {self.by} since {self.since:%Y-%m-%d %H:%M} UTC{why}"


def set_pause(
    db: Database, latch: Latch, *, by: str, note: str | None = None, interrupt: bool = False
) -> bool:
    """Set a latch; return whether that changed anything. A pause that is set may yet interrupt.

    Raises NotFound and BadInput for what does not exist, Refused for a run that has ended.
    """
    check_latch(db, latch)
    table = tables.pauses

    def write(conn: sa.Connection) -> bool:
        if latch.kind == "run" and (state := get_run(conn, latch.name).state).is_final:
            raise Refused(
                f"run {latch.name} has ended: {state}",
                field="run_id",
                hint=f"autopack show {latch.name}",
            )
        new = insert_new(conn, table).values(
            kind=latch.kind, name=latch.name, now=interrupt, since=now(conn), by=by, note=note
        )
        if conn.execute(new.returning(table.c.kind)).first() is not None:
            return True
        if not interrupt:
            return False
        changed = conn.execute(
            sa.update(table)
            .where(_is(latch), table.c.now.is_(False))
            .values(now=True)
            .returning(table.c.kind)
        )
        return changed.first() is not None

    return db.transact(write)


def lift_pause(db: Database, latch: Latch) -> bool:
    """Lift a latch, and no other; return whether it was set."""
    check_latch(db, latch)
    table = tables.pauses
    return db.transact(
        lambda conn: (
            conn.execute(sa.delete(table).where(_is(latch)).returning(table.c.kind)).first()
            is not None
        )
    )


def list_pauses(source: Source) -> list[Pause]:
    """Return every latch that is set, those of everything first."""
    with reading(source) as conn:
        return [_pause(row) for row in conn.execute(_ALL).mappings()]


def pauses_of(
    source: Source, run_id: str, builder: str, provider: str | None = None
) -> list[Pause]:
    """Return what keeps a run from building with this builder, as far as its provider is known."""
    return about(list_pauses(source), run_id, builder, provider)


def pauses_of_run(pauses: Iterable[Pause], run: RunRow) -> list[Pause]:
    """Return those of ``pauses`` that keep a run from building; none for one that has ended."""
    if run.state.is_final:
        return []
    listed = list(pauses)
    by_provider = any(one.latch.kind == "provider" for one in listed)
    return about(listed, run.run_id, run.builder, _provider_of(run) if by_provider else None)


def _provider_of(run: RunRow) -> str | None:
    """Return whom the run's builder pays; None where that cannot be known here."""
    options = {name: str(value) for name, value in run.builder_options.items()}
    # Loads every agent, which few that look at a run need.
    from autopack.agents.registry import make_builder, options_for

    try:
        own = options_for(run.builder, options, is_own=True)
        return make_builder(run.builder, own, model=run.model).provider(run.model)
    except AutopackError:
        return None


def about(
    pauses: Iterable[Pause], run_id: str, builder: str, provider: str | None = None
) -> list[Pause]:
    """Return those of ``pauses`` that are about a run, its builder (with or without its block),
    its provider, or everything.
    """
    latches = {
        Latch("all"),
        Latch("run", run_id),
        Latch("builder", builder),
        Latch("builder", builder.partition("/")[0]),
    }
    if provider is not None:
        latches.add(Latch("provider", provider))
    return [one for one in pauses if one.latch in latches]


def check_latch(source: Source, latch: Latch) -> None:
    """Raise NotFound for a run or builder that does not exist, BadInput for an odd name."""
    match latch.kind:
        case "run":
            get_run(source, latch.name)
        case "builder":
            from autopack.agents.registry import builder_class

            builder_class(latch.name)
        case "provider":
            try:
                check_id(latch.name, "provider")
            except AutopackError as error:
                raise BadInput(
                    f"invalid provider: {latch.name!r}",
                    field="provider",
                    hint="a provider is named like anthropic, openai or google",
                ) from error
        case "all":
            pass


def _is(latch: Latch) -> sa.ColumnElement[bool]:
    table = tables.pauses
    return sa.and_(table.c.kind == latch.kind, table.c.name == latch.name)


def _pause(row: sa.RowMapping) -> Pause:
    return Pause(Latch(row["kind"], row["name"]), row["now"], row["since"], row["by"], row["note"])
