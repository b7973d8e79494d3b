"""Runs that belong together: campaigns, A/B experiments, fleets; how far each is, what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import sqlalchemy as sa

from autopack.model.errors import NotFound
from autopack.store.database.engine import reading
from autopack.store.reading import Source
from autopack.store.rows import RunRow
from autopack.store.tables import ab_tests, budget_campaigns, replay_campaigns, runs
from autopack.views.board import Kind, kind_of
from autopack.views.fleet_standing import Standing, standings

MOST_GROUPS = 100
MOST_RUNS = 1_000
# How far back fleets are looked for: they are known by the names of their runs alone.
_MOST_LOOKED_AT = 2_000
_NUMBERED = re.compile(r"(?P<fleet>.+)-(?P<number>[1-9]\d{0,4})")


class GroupKind(StrEnum):
    """What holds the runs together."""

    REPLAY = "replay campaign"
    EXPERIMENT = "experiment"
    CAMPAIGN = "campaign"
    FLEET = "fleet"


@dataclass(frozen=True, kw_only=True)
class RunGroup:
    """How many runs of each kind there are, and what is known of what all of them spent.

    ``tokens`` and ``cost`` are None when a part of them is unknown.
    """

    name: str
    kind: GroupKind
    counts: dict[Kind, int]
    total: int
    started_at: datetime
    tokens: int | None
    unknown_builds: int
    cost: Decimal | None
    token_cap: int | None
    cost_cap: Decimal | None

    @property
    def ended(self) -> int:
        """How many runs have ended."""
        return self.counts[Kind.DONE] + self.counts[Kind.FAILED]


def run_groups(source: Source) -> list[RunGroup]:
    """Return the groups, those with the newest runs first."""
    newest = sa.func.max(runs.c.created_at)
    named = (
        sa.select(runs.c.campaign_id)
        .where(runs.c.campaign_id.is_not(None))
        .group_by(runs.c.campaign_id)
        .order_by(newest.desc())
        .limit(MOST_GROUPS)
    )
    with reading(source) as conn:
        found = [_campaign(conn, name) for name in conn.scalars(named).all()]
        found += [_group(conn, name, GroupKind.FLEET, ids) for name, ids in _fleets(conn)]
    return sorted(found, key=lambda one: one.started_at, reverse=True)[:MOST_GROUPS]


def group_runs(source: Source, name: str) -> tuple[RunGroup, list[RunRow]]:
    """Return a group and its runs, at most a thousand. Raises NotFound."""
    with reading(source) as conn:
        ids = _of_campaign(conn, name)
        fleets = [] if ids else [of for fleet, of in _fleets(conn) if fleet == name]
        if not ids and not fleets:
            raise NotFound(f"no run belongs to {name!r}", field="name")
        group = _campaign(conn, name) if ids else _group(conn, name, GroupKind.FLEET, fleets[0])
        chosen = (ids or list(fleets[0]))[:MOST_RUNS]
        query = sa.select(runs).where(runs.c.run_id.in_(chosen)).order_by(runs.c.created_at)
        return group, [RunRow.of(row) for row in conn.execute(query).mappings()]


def _campaign(conn: sa.Connection, name: str) -> RunGroup:
    kind = GroupKind.CAMPAIGN
    for table, column, found in (
        (replay_campaigns, "campaign_id", GroupKind.REPLAY),
        (ab_tests, "test_id", GroupKind.EXPERIMENT),
    ):
        if conn.scalar(sa.select(sa.exists().where(table.c[column] == name))):
            kind = found
    return _group(conn, name, kind, _of_campaign(conn, name))


def _of_campaign(conn: sa.Connection, name: str) -> list[str]:
    query = sa.select(runs.c.run_id).where(runs.c.campaign_id == name)
    return list(conn.scalars(query.order_by(runs.c.created_at).limit(MOST_RUNS)))


def _fleets(conn: sa.Connection) -> list[tuple[str, list[str]]]:
    """Return the fleets among the newest runs: NAME-1, NAME-2 and so on, of one repository."""
    query = (
        sa.select(runs.c.run_id, runs.c.repo)
        .where(runs.c.campaign_id.is_(None), runs.c.retry_of.is_(None))
        .order_by(runs.c.created_at.desc())
        .limit(_MOST_LOOKED_AT)
    )
    found: dict[tuple[str, str], list[str]] = {}
    for run_id, repo in conn.execute(query):
        numbered = _NUMBERED.fullmatch(run_id)
        if numbered is not None:
            found.setdefault((numbered["fleet"], repo), []).append(run_id)
    return [(name, ids) for (name, _), ids in found.items() if f"{name}-1" in ids and len(ids) > 1]


def _group(conn: sa.Connection, name: str, kind: GroupKind, ids: Sequence[str]) -> RunGroup:
    stand = standings(conn, ids)
    caps = conn.execute(
        sa.select(budget_campaigns).where(budget_campaigns.c.campaign_id == name)
    ).first()
    began = conn.scalar(sa.select(sa.func.min(runs.c.created_at)).where(runs.c.run_id.in_(ids)))
    if began is None:
        raise NotFound(f"no run belongs to {name!r}", field="name")
    tokens = [one.tokens for one in stand if one.tokens is not None]
    return RunGroup(
        name=name,
        kind=kind,
        counts=_counts(stand),
        total=len(stand),
        started_at=began,
        tokens=sum(tokens) if tokens else None,
        unknown_builds=sum(one.unknown_builds for one in stand),
        cost=_all_costs(stand),
        token_cap=None if caps is None else caps.token_cap,
        cost_cap=None if caps is None else caps.cost_cap,
    )


def _counts(stand: Iterable[Standing]) -> dict[Kind, int]:
    counts = dict.fromkeys(Kind, 0)
    for one in stand:
        counts[kind_of(one)] += 1
    return counts


def _all_costs(stand: Sequence[Standing]) -> Decimal | None:
    known = [one.cost for one in stand if one.cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(stand) else None
