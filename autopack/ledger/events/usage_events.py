"""The usage ledger: one row a model call, counted once however often it is recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from autopack.ledger.events.insert import PICODOLLAR, insert_events, try_insert_events
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.store import tables
from autopack.store.database.engine import (
    Database,
    reading,
)
from autopack.store.intents import digest
from autopack.store.keys import named_run, run_named
from autopack.store.tables import CATEGORIES, ROLES, Category, Role
from autopack.store.tables.rollups import SUMS as _SUMS
from autopack.store.tables.rollups import usage_archive_keys, usage_by_run
from autopack.store.usage_event import FURTHER, UsageEvent

_KEYS_AT_ONCE = 900

_INTENTS, _ATTEMPTS = tables.llm_call_intents, tables.attempts
_LOST = (
    sa.select(
        _INTENTS.c.run_id,
        _INTENTS.c.phase_id,
        sa.func.sum(sa.case((_INTENTS.c.role == "builder", 1), else_=0)),
        sa.func.count(),
    )
    .select_from(
        _INTENTS.outerjoin(
            _ATTEMPTS,
            sa.and_(
                *(_INTENTS.c[key] == _ATTEMPTS.c[key] for key in ("run_id", "phase_id", "attempt"))
            ),
        )
    )
    .where(
        _INTENTS.c.closed_at.is_(None),
        sa.or_(
            _INTENTS.c.role != "builder",
            _ATTEMPTS.c.state.is_(None),
            _ATTEMPTS.c.state != AttemptState.STARTED,
        ),
    )
    .group_by(_INTENTS.c.run_id, _INTENTS.c.phase_id)
)
_LOST_OF_RUN = _LOST.where(named_run(_INTENTS))
_TOKENS_OF_PHASES = (
    sa.select(usage_by_run.c.phase_id, sa.func.sum(usage_by_run.c.total_tokens))
    .where(named_run(usage_by_run))
    .group_by(usage_by_run.c.phase_id)
)


@dataclass(frozen=True, kw_only=True)
class TokenTotals:
    """What is known of what a run spent.

    ``total`` counts every event; ``input + cache_read + cache_write + output + unsplit`` is the
    same number, ``unsplit`` being the calls of which only a total is known. ``by_category`` and
    ``by_role`` each sum to it too, and name every category and role.
    ``unreconciled_calls`` counts calls that were begun and not recorded as a whole: in flight, or
    not told of. ``unknown_builds`` are those among them that were builds and have ended.
    ``cost_known`` is what the calls with a price cost, ``unpriced_calls`` how many have none.
    ``simulated_calls`` were made by recordings and simulations. ``further`` are the sums that the
    ledger keeps besides.
    """

    total: int
    input: int
    cache_read: int
    cache_write: int
    output: int
    unsplit: int
    by_category: dict[Category, int]
    by_role: dict[Role, int]
    events: int
    unreconciled_calls: int
    cost_known: Decimal
    unpriced_calls: int = 0
    unknown_builds: int = 0
    lost_calls: int = 0
    simulated_calls: int = 0
    further: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def nothing_known(self) -> bool:
        """Whether something was built, and none of what it spent is known."""
        return self.events == 0 and self.lost_calls > 0

    @property
    def told(self) -> int | None:
        """The total that is known; None when nothing is."""
        return None if self.nothing_known else self.total

    @property
    def cost(self) -> Decimal | None:
        """US dollars; None when any call is unpriced or unknown, zero without calls."""
        return None if self.unpriced_calls or self.lost_calls else self.cost_known


@dataclass(frozen=True)
class Lost:
    """Calls that ended without telling all they used: ``builds``, and all of them."""

    builds: int = 0
    calls: int = 0


NOTHING_LOST = Lost()


def event_key(key: AttemptKey, provider: str, response_id: str | None, ordinal: int) -> str:
    """Return the identity of a model call, so that recording it again adds nothing.

    ``ordinal`` tells apart responses of one attempt that share an id, as recordings and test
    servers do; without an id it is the call's number among all calls of the attempt, whatever
    their role.
    """
    return digest(key.run_id, key.phase_id, key.attempt, provider, response_id, ordinal)


def record_events(conn: sa.Connection, events: Iterable[UsageEvent]) -> int:
    """Record calls that are not recorded yet and return how many were new.

    Not fenced: money spent counts no matter who holds the run.
    """
    ordered = _ordered(events)
    return insert_events(conn, ordered) if ordered else 0


def try_record_events(conn: sa.Connection, events: Iterable[UsageEvent]) -> bool:
    """Return the same in a transaction that goes on when the ledger refuses a call; then False.

    Some of the calls may be recorded all the same, and recording them again adds nothing.
    """
    ordered = _ordered(events)
    return not ordered or try_insert_events(conn, ordered)


def known_keys(conn: sa.Connection, keys: Sequence[str]) -> set[str]:
    """Those of ``keys`` that the ledger has, or had before they were archived."""
    found: set[str] = set()
    for table in (tables.llm_usage_events, usage_archive_keys):
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            query = sa.select(table.c.event_key).where(table.c.event_key.in_(some))
            found.update(conn.scalars(query))
    return found


def _ordered(events: Iterable[UsageEvent]) -> list[UsageEvent]:
    # One order for all writers, for two that lock rows in different orders block each other.
    return sorted(events, key=attrgetter("event_key"))


def token_totals(source: Database | sa.Connection, *run_ids: str) -> TokenTotals:
    """Return what the runs spent; all zero without calls.

    Read from the sums that triggers keep, so it costs the same however many calls there were.
    """
    return token_totals_where(source, lambda table: table.c.run_id.in_(run_ids))


def token_totals_where(
    source: Database | sa.Connection, chosen: Callable[[sa.Table], sa.ColumnElement[bool]]
) -> TokenTotals:
    """The same of the runs that ``chosen`` picks by the ``run_id`` of the table it is given."""
    sums, intents = usage_by_run, tables.llm_call_intents
    grouped = (
        sa.select(
            sums.c.category,
            sums.c.role,
            sums.c.simulated,
            *(sa.func.sum(sums.c[name]).label(name) for name in _SUMS),
        )
        .where(chosen(sums))
        .group_by(sums.c.category, sums.c.role, sums.c.simulated)
    )
    open_calls = (
        sa.select(sa.func.count())
        .select_from(intents)
        .where(chosen(intents), intents.c.closed_at.is_(None))
    )
    with reading(source) as conn:
        groups = conn.execute(grouped).mappings().all()
        unreconciled = conn.scalar(open_calls)
        lost = _total_lost(lost_by_phase(conn, chosen).values())
    return totals_of(groups, unreconciled_calls=unreconciled or 0, lost=lost)


def lost_by_phase(
    source: Database | sa.Connection, chosen: Callable[[sa.Table], sa.ColumnElement[bool]]
) -> dict[tuple[str, str], Lost]:
    """Of every run and phase among the chosen runs, the ended calls that did not tell all.

    A build that is under way is not among them, however little it has told so far.
    """
    with reading(source) as conn:
        return {
            (run_id, phase_id): Lost(int(of_builds), int(count))
            for run_id, phase_id, of_builds, count in conn.execute(_LOST.where(chosen(_INTENTS)))
        }


def lost_of_run(source: Database | sa.Connection, run_id: str) -> dict[str, Lost]:
    """The same of the phases of one run."""
    with reading(source) as conn:
        return {
            phase_id: Lost(int(of_builds), int(count))
            for _, phase_id, of_builds, count in conn.execute(_LOST_OF_RUN, run_named(run_id))
        }


def lost_by_run(source: Database | sa.Connection, run_ids: Collection[str]) -> dict[str, Lost]:
    """The same of whole runs; those that told all are omitted."""
    found: defaultdict[str, list[Lost]] = defaultdict(list)
    for (run_id, _), lost in lost_by_phase(source, lambda one: one.c.run_id.in_(run_ids)).items():
        found[run_id].append(lost)
    return {run_id: _total_lost(lost) for run_id, lost in found.items()}


def _total_lost(found: Iterable[Lost]) -> Lost:
    listed = list(found)
    return Lost(sum(one.builds for one in listed), sum(one.calls for one in listed))


def totals_of(
    groups: Iterable[Mapping[Any, Any]], *, unreconciled_calls: int, lost: Lost = NOTHING_LOST
) -> TokenTotals:
    """Add up groups that carry a category, a role, whether they are simulated, and every sum."""
    total = dict.fromkeys(_SUMS, 0)
    by_category: dict[Category, int] = dict.fromkeys(CATEGORIES, 0)
    by_role: dict[Role, int] = dict.fromkeys(ROLES, 0)
    simulated = 0
    for group in groups:
        for name in _SUMS:
            total[name] += int(group[name])
        by_category[group["category"]] += int(group["total_tokens"])
        by_role[group["role"]] += int(group["total_tokens"])
        simulated += int(group["events"]) if group["simulated"] else 0
    return TokenTotals(
        total=total["total_tokens"],
        input=total["input_tokens"],
        cache_read=total["cache_read_tokens"],
        cache_write=total["cache_write_tokens"],
        output=total["output_tokens"],
        unsplit=total["unsplit_tokens"],
        by_category=by_category,
        by_role=by_role,
        events=total["events"],
        unreconciled_calls=unreconciled_calls,
        cost_known=dollars(total),
        unpriced_calls=total["unpriced_events"],
        unknown_builds=lost.builds,
        lost_calls=lost.calls,
        simulated_calls=simulated,
        further={name.removesuffix("_tokens"): total[name] for name in FURTHER},
    )


def dollars(sums: Mapping[Any, Any]) -> Decimal:
    """Return the cost of the priced calls in a row of sums, exactly."""
    micro, pico = int(sums["cost_microdollars"] or 0), int(sums["cost_picodollars"] or 0)
    return ((micro * 10**6 + pico) * PICODOLLAR).normalize()


def phase_tokens(source: Database | sa.Connection, run_id: str) -> dict[str, int]:
    """Total tokens of each phase of the run that made a call."""
    with reading(source) as conn:
        found = conn.execute(_TOKENS_OF_PHASES, run_named(run_id))
        return {phase_id: int(total) for phase_id, total in found}
