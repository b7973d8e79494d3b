"""The tree of budgets in the database: caps, what is reserved, what the ledger says is spent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars, lost_by_phase, lost_of_run
from autopack.model.budget import (
    NO_PRICE,
    NOTHING,
    Amounts,
    Level,
    Limits,
    Resource,
    Scope,
    first_exhausted,
)
from autopack.model.cap_period import Period
from autopack.model.errors import NotFound, Refused
from autopack.store import tables
from autopack.store.database.engine import (
    Database,
    insert_new,
    now,
    reading,
)
from autopack.store.keys import named_run, run_named
from autopack.store.reading import Source, get_run
from autopack.store.tables.rollups import usage_by_run

_HELD, _ATTEMPTS, _ANSWERS = tables.budget_reservations, tables.attempts, tables.approvals
_SUMMED = ("total_tokens", "cost_microdollars", "cost_picodollars", "unpriced_events", "events")
_SUMS = [sa.func.sum(usage_by_run.c[name]).label(name) for name in _SUMMED]
_SPENT_BY_PHASE = (
    sa.select(usage_by_run.c.phase_id, *_SUMS)
    .where(named_run(usage_by_run))
    .group_by(usage_by_run.c.phase_id)
)
_UNSETTLED = sa.select(
    _HELD.c.phase_id, _HELD.c.tokens, _HELD.c.cost, _HELD.c.minutes, _HELD.c.opened_at
).where(_HELD.c.settled_at.is_(None))
_UNSETTLED_OF_RUN = _UNSETTLED.where(named_run(_HELD))
_APPROVED = (
    sa.select(
        _ANSWERS.c.phase_id,
        _ANSWERS.c.level,
        _ANSWERS.c.resource,
        _ANSWERS.c.new_cap,
        _ANSWERS.c.question,
    )
    .where(named_run(_ANSWERS), _ANSWERS.c.approved.is_(True))
    .order_by(_ANSWERS.c.id)
)
_BUILDS = (
    sa.select(_ATTEMPTS.c.phase_id, _ATTEMPTS.c.started_at, _ATTEMPTS.c.built_at, _HELD.c.minutes)
    .join(
        _HELD,
        sa.and_(
            _HELD.c.run_id == _ATTEMPTS.c.run_id,
            _HELD.c.phase_id == _ATTEMPTS.c.phase_id,
            _HELD.c.attempt == _ATTEMPTS.c.attempt,
            _HELD.c.role == "builder",
        ),
    )
    .where(
        named_run(_ATTEMPTS),
        _ATTEMPTS.c.phase_id.in_(sa.bindparam("phases", expanding=True)),
        _ATTEMPTS.c.built_at.is_not(None),
        # Trouble outside may not use up a phase's time either.
        _ATTEMPTS.c.counts.is_(True),
    )
)


def set_campaign(
    db: Database, campaign_id: str, limits: Limits, period: Period | None = None
) -> Limits:
    """Give a campaign these caps, whether or not it has been named before; return what it had.

    With a ``period`` they are for what is spent on each day or month.
    """

    def write(conn: sa.Connection) -> Limits:
        table = tables.budget_campaigns
        conn.execute(insert_new(conn, table).values(campaign_id=campaign_id, created_at=now(conn)))
        caps = sa.select(table.c.token_cap, table.c.cost_cap, table.c.minutes_cap)
        before = conn.execute(caps.where(table.c.campaign_id == campaign_id)).one()
        conn.execute(
            sa.update(table)
            .where(table.c.campaign_id == campaign_id)
            .values(
                token_cap=limits.tokens,
                cost_cap=limits.cost,
                minutes_cap=limits.minutes,
                period=period,
            )
        )
        return Limits(*before)

    return db.transact(write)


def campaign_level(source: Source, campaign_id: str) -> Level:
    """A campaign with the sums over its runs. Raises NotFound."""
    table, runs = tables.budget_campaigns, tables.runs
    with reading(source) as conn:
        row = conn.execute(sa.select(table).where(table.c.campaign_id == campaign_id)).first()
        if row is None:
            raise NotFound(
                f"there is no campaign {campaign_id!r}",
                field="campaign",
                hint="autopack budget set CAMPAIGN --tokens N",
            )
        of_campaign = sa.select(runs.c.run_id).where(runs.c.campaign_id == campaign_id)
        minutes = conn.scalar(
            sa.select(sa.func.coalesce(sa.func.sum(runs.c.elapsed_seconds), 0.0)).where(
                runs.c.campaign_id == campaign_id
            )
        )
        # What is reserved first: a build that is settled in between counts twice this once. The
        # other way round it would be forgotten, for each statement sees what is committed by then.
        of_its_runs = _UNSETTLED.where(_HELD.c.run_id.in_(of_campaign))
        held = conn.execute(of_its_runs).mappings().all()
        period = None if row.period is None else Period(row.period)
        at = now(conn)
        since = None if period is None else period.began(at)
        spent = _summed(conn, lambda one: sa.and_(one.c.run_id.in_(of_campaign), _from(one, since)))
        return Level(
            Scope.CAMPAIGN,
            campaign_id,
            Limits(row.token_cap, row.cost_cap, row.minutes_cap),
            replace(spent, minutes=float(minutes or 0) / 60),
            _reserved(conn, held),
            period=period,
            again_at=None if period is None else period.ends(at),
        )


def check_period(level: Level) -> None:
    """Raise Refused when the caps of this day or month are used up, and say until when."""
    full = first_exhausted([level]) if level.period is not None else None
    if full is not None:
        raise Refused(
            f"{level.scope} {level.name}: {full.spent} of {full.limit} {full.resource} of this "
            f"{level.period} are used up; the run may start at {level.again_at:%Y-%m-%dT%H:%M:%SZ}",
            field="campaign",
            hint=f"wait, or raise the cap: autopack budget set {level.name} --per {level.period}",
        )


def _from(table: sa.Table, since: datetime | None) -> sa.ColumnElement[bool]:
    """Return the rows of a sum, or of intents, that began in the period."""
    if since is None:
        return sa.true()
    if "day" in table.c:
        return table.c.day >= since.date()
    return table.c.opened_at >= since


def levels(
    source: Source,
    run_id: str,
    phase_caps: Mapping[str, Limits],
    *,
    uncounted_minutes: float = 0.0,
) -> list[Level]:
    """Return a run's campaign, where it has one, the run, and the phases named: outermost first.

    ``phase_caps`` are the caps of the plan, ``uncounted_minutes`` the working time that the
    run's row does not have yet.
    """
    with reading(source) as conn:
        run = get_run(conn, run_id)
        above = [] if run.campaign_id is None else [campaign_level(conn, run.campaign_id)]
        spent_minutes = run.elapsed_seconds / 60 + uncounted_minutes
        # First, as above.
        held = conn.execute(_UNSETTLED_OF_RUN, run_named(run_id)).mappings().all()
        spent = _spent_by_phase(conn, run_id)
        answers = _approved(conn, run_id)
        minutes = _minutes_of_builds(conn, run_id, phase_caps)
        own = Level(
            Scope.RUN,
            run_id,
            Limits(run.token_cap, run.cost_cap, run.minutes_cap),
            replace(_added(spent.values()), minutes=spent_minutes),
            _reserved(conn, held),
        )
        phases = [
            Level(
                Scope.PHASE,
                phase_id,
                _raised(answers, phase_id, caps),
                replace(spent.get(phase_id, NOTHING), minutes=minutes[phase_id]),
                _reserved(conn, [row for row in held if row["phase_id"] == phase_id]),
            )
            for phase_id, caps in phase_caps.items()
        ]
        accepts = any(
            row["resource"] == Resource.COST and NO_PRICE in row["question"] for row in answers
        )
        return [replace(level, accepts_unpriced=accepts) for level in (*above, own, *phases)]


def _approved(conn: sa.Connection, run_id: str) -> Sequence[sa.RowMapping]:
    """The questions about the run that a person answered with yes, in their order."""
    return conn.execute(_APPROVED, run_named(run_id)).mappings().all()


def _raised(answers: Sequence[sa.RowMapping], phase_id: str, caps: Limits) -> Limits:
    """The caps of a phase with those that a person last gave it in place of its plan's."""
    for row in answers:
        if row["phase_id"] != phase_id or row["level"] != Scope.PHASE or row["new_cap"] is None:
            continue
        if row["resource"] == Resource.TOKENS:
            caps = replace(caps, tokens=int(row["new_cap"]))
        elif row["resource"] == Resource.MINUTES:
            caps = replace(caps, minutes=float(row["new_cap"]))
    return caps


def _minutes_of_builds(
    conn: sa.Connection, run_id: str, phase_ids: Iterable[str]
) -> defaultdict[str, float]:
    """Return how long the builds of each phase took that ended, none longer than it was allowed to.

    When one that was cut off crashed is not known, and one that ended in a process that crashed is
    closed by the next: neither may use up a phase's time while nobody works on it.
    """
    took: defaultdict[str, float] = defaultdict(float)
    named = {**run_named(run_id), "phases": list(phase_ids)}
    for phase_id, started, built, most in conn.execute(_BUILDS, named):
        took[phase_id] += min((built - started) / timedelta(minutes=1), float(most))
    return took


def _spent_by_phase(conn: sa.Connection, run_id: str) -> dict[str, Amounts]:
    """Return what each phase of a run spent; see `_summed`."""
    rows = conn.execute(_SPENT_BY_PHASE, run_named(run_id)).mappings()
    found = {row["phase_id"]: _amounts(row) for row in rows}
    for phase_id, one in lost_of_run(conn, run_id).items():
        found[phase_id] = replace(found.get(phase_id, NOTHING), lost=one.calls)
    return found


def _summed(conn: sa.Connection, chosen: Callable[[sa.Table], sa.ColumnElement[bool]]) -> Amounts:
    """Return what was spent, from the sums of the ledger, which also know the archived calls."""
    row = conn.execute(sa.select(*_SUMS).where(chosen(usage_by_run))).mappings().one()
    lost = sum(one.calls for one in lost_by_phase(conn, chosen).values())
    return replace(_amounts(row), lost=lost)


def _amounts(row: sa.RowMapping) -> Amounts:
    return Amounts(
        int(row["total_tokens"] or 0),
        dollars(row),
        unpriced=int(row["unpriced_events"] or 0),
        calls=int(row["events"] or 0),
    )


def _added(amounts: Iterable[Amounts]) -> Amounts:
    listed = list(amounts)
    return Amounts(
        sum(one.tokens for one in listed),
        sum((one.cost for one in listed), Decimal(0)),
        unpriced=sum(one.unpriced for one in listed),
        lost=sum(one.lost for one in listed),
        calls=sum(one.calls for one in listed),
    )


def _reserved(conn: sa.Connection, rows: Sequence[sa.RowMapping]) -> Amounts:
    """Return what calls under way hold; of their minutes those that have not passed yet."""
    if not rows:
        return NOTHING
    at, minute = now(conn), timedelta(minutes=1)
    return Amounts(
        sum(int(row["tokens"]) for row in rows),
        sum((row["cost"] for row in rows if row["cost"] is not None), Decimal(0)),
        sum(
            max(float(row["minutes"]) - max((at - row["opened_at"]) / minute, 0), 0.0)
            for row in rows
        ),
    )
