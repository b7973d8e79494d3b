"""Many things at a glance: experiments, campaigns, and the failures that patterns have met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from autopack.ledger.budget.budget_tree import campaign_level
from autopack.ledger.consolidated import consolidated_tokens
from autopack.model.pages import check_limit
from autopack.repair.patterns.pattern_registry import patterns
from autopack.store import tables
from autopack.store.columns import UtcDateTime
from autopack.store.database.engine import Database
from autopack.store.reading import decode_cursor, encode_cursor
from autopack.store.tables.experiments import ab_pairs, ab_test_results, ab_tests
from autopack.views.budget_view import level_view
from autopack.views.json_values import timestamp
from autopack.views.run_view import Json, cost_view, token_split

_OF_REPORT = ("decision", "sentence", "gmr", "ci", "n_pairs", "n_plans", "n_void", "void_reasons")


class _Named(NamedTuple):
    """A row of a listing: its key and when it was made."""

    name: str
    at: datetime


def list_experiments(db: Database, *, limit: int, after: str | None) -> Json:
    """Return a page of experiments, newest first; ``result`` is null before the first analysis.

    Those that were analysed without having been registered are in it, too.
    """
    registered = sa.select(ab_tests.c.test_id.label("name"), ab_tests.c.created_at.label("at"))
    others = (
        sa.select(ab_test_results.c.test_id, sa.func.min(ab_test_results.c.created_at))
        .where(ab_test_results.c.test_id.not_in(sa.select(ab_tests.c.test_id)))
        .group_by(ab_test_results.c.test_id)
    )
    with db.read() as conn:
        page, cursor = _page(conn, sa.union_all(registered, others), limit, after)
        names = [one.name for one in page]
        tests = {
            row.test_id: row
            for row in conn.execute(sa.select(ab_tests).where(ab_tests.c.test_id.in_(names)))
        }
        pairs, results = _pairs(conn, names), _last_results(conn, names)
    return {
        "experiments": [
            {
                "test_id": name,
                "repo": tests[name].repo if name in tests else None,
                "created_at": timestamp(at),
                "finished_at": timestamp(tests[name].finished_at) if name in tests else None,
                "stop_reason": tests[name].stop_reason if name in tests else None,
                "pairs": pairs.get(name),
                "result": results.get(name),
            }
            for name, at in page
        ],
        "next_cursor": cursor,
    }


def _pairs(conn: sa.Connection, names: Sequence[str]) -> dict[str, Json]:
    """Return how many pairs experiments planned, and how many of them are judged and valid."""
    judged = sa.func.count(ab_pairs.c.is_valid)
    valid = sa.func.sum(sa.case((ab_pairs.c.is_valid.is_(True), 1), else_=0))
    query = (
        sa.select(ab_pairs.c.test_id, sa.func.count(), judged, valid)
        .where(ab_pairs.c.test_id.in_(names))
        .group_by(ab_pairs.c.test_id)
    )
    return {
        name: {"planned": planned, "judged": done, "valid": int(good)}
        for name, planned, done, good in conn.execute(query)
    }


def _last_results(conn: sa.Connection, names: Sequence[str]) -> dict[str, Json]:
    query = (
        sa.select(ab_test_results)
        .where(ab_test_results.c.test_id.in_(names))
        .order_by(ab_test_results.c.created_at)
    )
    return {
        row.test_id: {name: row.report.get(name) for name in _OF_REPORT}
        | {"analysed_at": timestamp(row.created_at)}
        for row in conn.execute(query)
    }


def list_campaigns(db: Database, *, limit: int, after: str | None) -> Json:
    """Return a page of campaigns, newest first: of replays, and of runs that share a budget."""
    runs, budgets, replays = tables.runs, tables.budget_campaigns, tables.replay_campaigns
    of_runs = (
        sa.select(runs.c.campaign_id.label("name"), sa.func.min(runs.c.created_at).label("at"))
        .where(runs.c.campaign_id.is_not(None))
        .group_by(runs.c.campaign_id)
    )
    named = sa.union_all(
        of_runs,
        sa.select(budgets.c.campaign_id, budgets.c.created_at),
        sa.select(replays.c.campaign_id, replays.c.created_at),
    ).subquery()
    first = sa.select(named.c.name, sa.func.min(named.c.at).label("at")).group_by(named.c.name)
    with db.read() as conn:
        page, cursor = _page(conn, first, limit, after)
        names = [one.name for one in page]
        states = _states(conn, names)
        capped = set(
            conn.scalars(sa.select(budgets.c.campaign_id).where(budgets.c.campaign_id.in_(names)))
        )
        replayed = set(
            conn.scalars(sa.select(replays.c.campaign_id).where(replays.c.campaign_id.in_(names)))
        )
        spent = {name: consolidated_tokens(conn, campaign=name).spent for name in names}
        levels = {name: level_view(campaign_level(conn, name)) for name in names if name in capped}
    return {
        "campaigns": [
            {
                "campaign_id": name,
                "kind": "replay" if name in replayed else "budget",
                "created_at": timestamp(at),
                "runs": sum(states[name].values()),
                "by_state": states[name],
                "tokens": token_split(spent[name]),
                **cost_view(spent[name]),
                "budget": levels.get(name),
            }
            for name, at in page
        ],
        "next_cursor": cursor,
    }


def _states(conn: sa.Connection, names: Sequence[str]) -> defaultdict[str, dict[str, int]]:
    """Return how many runs of campaigns are in each state."""
    runs = tables.runs
    query = (
        sa.select(runs.c.campaign_id, runs.c.state, sa.func.count())
        .where(runs.c.campaign_id.in_(names))
        .group_by(runs.c.campaign_id, runs.c.state)
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, state, count in conn.execute(query):
        found[name][state.value] = count
    return found


def pattern_hits(db: Database) -> list[Json]:
    """Return every pattern that is known, or was when it met a failure, and how often it did."""
    met = tables.mitigations
    fixed = sa.func.sum(sa.case((met.c.fixed.is_(True), 1), else_=0))
    query = sa.select(
        met.c.pattern_id, sa.func.count(), fixed, sa.func.max(met.c.created_at)
    ).group_by(met.c.pattern_id)
    with db.read() as conn:
        hits = {name: (count, int(good), last) for name, count, good, last in conn.execute(query)}
    known = {one.pattern_id: one for one in patterns()}
    return [
        {
            "pattern_id": name,
            "priority": known[name].priority if name in known else None,
            "summary": known[name].summary if name in known else None,
            "hits": hits[name][0] if name in hits else 0,
            "fixed": hits[name][1] if name in hits else 0,
            "last_hit": timestamp(hits[name][2]) if name in hits else None,
        }
        for name in [*known, *(name for name in sorted(hits) if name not in known)]
    ]


def _page(
    conn: sa.Connection,
    query: sa.Select[Any, Any] | sa.CompoundSelect[Any, Any],
    limit: int,
    after: str | None,
) -> tuple[list[_Named], str | None]:
    """Return the rows of a page, newest first, and the cursor of the next."""
    check_limit(limit)
    rows = query.subquery()
    chosen = sa.select(rows.c.name, rows.c.at).order_by(rows.c.at.desc(), rows.c.name.desc())
    if after is not None:
        at, name = decode_cursor(after)
        last = sa.tuple_(sa.literal(at, UtcDateTime), sa.literal(name, sa.String))
        chosen = chosen.where(sa.tuple_(rows.c.at, rows.c.name) < last)
    found = [
        _Named(name, at)
        for name, at in conn.execute(
            chosen.with_only_columns(rows.c.name, sa.type_coerce(rows.c.at, UtcDateTime)).limit(
                limit + 1
            )
        )
    ]
    page = found[:limit]
    more = len(found) > limit
    return page, encode_cursor(page[-1].at, page[-1].name) if more else None
