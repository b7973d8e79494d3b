"""What patterns saw in runs, and what that was worth: the rows of hits and of looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import AttemptKey
from autopack.store.database.engine import Database, insert_new, now, reading
from autopack.store.tables import runs
from autopack.store.tables.patterns import pattern_hits, pattern_looks, pattern_sets

Verdict = Literal["right", "wrong"]
JudgedBy = Literal["person", "mitigation", "trial", "later attempts"]


@dataclass(frozen=True, kw_only=True)
class NewHit:
    """The first match of a pattern in a phase, with the draw of the hold-out where there is one."""

    pattern_id: str
    digest: str
    version: int
    mitigation: str
    state: str
    captured: Mapping[str, str]
    seed: str | None = None
    share: float | None = None
    draw: float | None = None
    arm: str | None = None


@dataclass(frozen=True, kw_only=True)
class HitRow:
    """A hit as it is stored: see `NewHit`."""

    id: int
    run_id: str
    phase_id: str
    attempt: int
    pattern_id: str
    digest: str
    version: int
    repository: str
    mitigation: str
    state: str
    captured: Mapping[str, str]
    seed: str | None
    share: float | None
    draw: float | None
    arm: str | None
    outcome: str | None
    verdict: Verdict | None
    judged_by: JudgedBy | None
    judged_why: str | None
    judged_at: datetime | None
    tried: str | None
    created_at: datetime


_HIT = [pattern_hits.c[name] for name in HitRow.__dataclass_fields__]


def record_look(
    conn: sa.Connection, key: AttemptKey, repository: str, set_id: str, detectors: Mapping[str, str]
) -> None:
    """Keep that detectors (digests by pattern id) looked at an attempt; once for each attempt."""
    conn.execute(
        insert_new(conn, pattern_sets),
        [
            {"set_id": set_id, "pattern_id": pattern_id, "digest": digest}
            for pattern_id, digest in detectors.items()
        ],
    )
    conn.execute(
        insert_new(conn, pattern_looks).values(
            **vars(key), repository=repository, set_id=set_id, created_at=now(conn)
        )
    )


def record_hit(conn: sa.Connection, key: AttemptKey, repository: str, hit: NewHit) -> None:
    """Keep a hit, unless the pattern matched in this phase before."""
    conn.execute(
        insert_new(conn, pattern_hits).values(
            **vars(key), repository=repository, created_at=now(conn), **vars(hit)
        )
    )


def phase_hits(source: Database | sa.Connection, run_id: str, phase_id: str) -> list[HitRow]:
    """Return the hits of a phase in the order in which they were made."""
    table = pattern_hits
    where = sa.and_(table.c.run_id == run_id, table.c.phase_id == phase_id)
    return _hits(source, sa.select(*_HIT).where(where).order_by(table.c.id))


def get_hit(source: Database | sa.Connection, hit_id: int) -> HitRow:
    """Return one hit. Raises NotFound naming ``hit``."""
    found: list[HitRow] = []
    if 0 < hit_id < 2**31:
        found = _hits(source, sa.select(*_HIT).where(pattern_hits.c.id == hit_id))
    if not found:
        raise NotFound(
            f"there is no hit {hit_id}", field="hit", hint="autopack patterns hits lists them"
        )
    return found[0]


def get_hits(
    source: Database | sa.Connection,
    *,
    pattern_id: str | None = None,
    unjudged: bool = False,
    limit: int,
    before: int | None = None,
) -> list[HitRow]:
    """Return hits, the newest first; those ``before`` one where that is given."""
    table = pattern_hits
    query = sa.select(*_HIT).order_by(table.c.id.desc()).limit(limit)
    if pattern_id is not None:
        query = query.where(table.c.pattern_id == pattern_id)
    if unjudged:
        query = query.where(table.c.verdict.is_(None))
    if before is not None:
        query = query.where(table.c.id < before)
    return _hits(source, query)


def _hits(source: Database | sa.Connection, query: sa.Select[Any]) -> list[HitRow]:
    with reading(source) as conn:
        return [HitRow(**row) for row in conn.execute(query).mappings()]


def judge_hit(
    conn: sa.Connection, hit_id: int, verdict: Verdict, *, by: JudgedBy, why: str
) -> None:
    """Keep what a hit was worth; what a person said is replaced by persons only."""
    if verdict not in ("right", "wrong"):
        raise BadInput(f"invalid verdict: {verdict!r}", field="verdict", hint="say right or wrong")
    table = pattern_hits
    query = sa.update(table).where(table.c.id == hit_id)
    if by != "person":
        query = query.where(table.c.verdict.is_(None))
    values = {"verdict": verdict, "judged_by": by, "judged_why": why, "judged_at": now(conn)}
    conn.execute(query.values(values))


def note_tried(conn: sa.Connection, hit_id: int, why: str) -> None:
    """Keep that the mitigation of a hit was tried, and what came of it."""
    conn.execute(sa.update(pattern_hits).where(pattern_hits.c.id == hit_id).values(tried=why))


def note_outcome(conn: sa.Connection, run_id: str, phase_id: str, state: str) -> None:
    """Keep how the phase of hits ended."""
    table = pattern_hits
    where = sa.and_(table.c.run_id == run_id, table.c.phase_id == phase_id)
    conn.execute(sa.update(table).where(where).values(outcome=state))


def origin() -> sa.ColumnElement[str]:
    """Return which run a hit goes back to: of a replay's, the run that it replays.

    A replay meets the failures of its original again, and has its draws: it is no further
    observation. To be used where `pattern_hits` is joined to `runs` by `of_run`.
    """
    return sa.func.coalesce(runs.c.replay_of, pattern_hits.c.run_id)


def of_run() -> sa.ColumnElement[bool]:
    """Return the condition that joins hits to their runs."""
    return runs.c.run_id == pattern_hits.c.run_id


def _counted(*where: sa.ColumnElement[bool]) -> sa.Subquery:
    """Judged hits that count: one of each original phase, a person's verdict before the rest."""
    table = pattern_hits
    order = (sa.case((table.c.judged_by == "person", 0), else_=1), table.c.id)
    same = (table.c.pattern_id, table.c.digest, origin(), table.c.phase_id)
    keys = (table.c.pattern_id, table.c.digest, table.c.repository, table.c.verdict)
    ranked = (
        sa.select(*keys, sa.func.row_number().over(partition_by=same, order_by=order).label("rank"))
        .select_from(table.outerjoin(runs, of_run()))
        .where(table.c.verdict.is_not(None), *where)
        .subquery()
    )
    return sa.select(ranked).where(ranked.c.rank == 1).subquery()


def counts(conn: sa.Connection, pattern_id: str, digest: str, repository: str) -> tuple[int, int]:
    """Return how many hits of a detector were right and wrong; in one repository, or in all.

    A hit of a replay counts only where the same phase of its original has none that is judged.
    """
    table = pattern_hits
    where = [table.c.pattern_id == pattern_id, table.c.digest == digest]
    if repository:
        where.append(table.c.repository == repository)
    judged = _counted(*where)
    query = sa.select(
        sa.func.count().filter(judged.c.verdict == "right"),
        sa.func.count().filter(judged.c.verdict == "wrong"),
    )
    right, wrong = conn.execute(query).one()
    return right, wrong


@dataclass(frozen=True)
class Watched:
    """How often a detector looked in one repository, and what it saw there."""

    looks: int = 0
    hits: int = 0
    right: int = 0
    wrong: int = 0
    last_hit: datetime | None = None

    def plus(self, other: Watched) -> Watched:
        """Return both together."""
        moments = [at for at in (self.last_hit, other.last_hit) if at is not None]
        return Watched(
            self.looks + other.looks,
            self.hits + other.hits,
            self.right + other.right,
            self.wrong + other.wrong,
            max(moments, default=None),
        )


def watched(conn: sa.Connection) -> dict[tuple[str, str, str], Watched]:
    """Return what each detector saw, by pattern id, digest and repository."""
    table = pattern_hits
    keys = (table.c.pattern_id, table.c.digest, table.c.repository)
    hits = sa.select(*keys, sa.func.count(), sa.func.max(table.c.created_at)).group_by(*keys)
    found: dict[tuple[str, str, str], Watched] = {
        (row[0], row[1], row[2]): Watched(0, row[3], last_hit=row[4]) for row in conn.execute(hits)
    }
    judged = _counted()
    named = (judged.c.pattern_id, judged.c.digest, judged.c.repository)
    verdicts = sa.select(*named, judged.c.verdict, sa.func.count()).group_by(
        *named, judged.c.verdict
    )
    for pattern_id, digest, repository, verdict, count in conn.execute(verdicts):
        key = (pattern_id, digest, repository)
        found[key] = found.get(key, Watched()).plus(
            Watched(right=count) if verdict == "right" else Watched(wrong=count)
        )
    looked = (
        sa.select(
            pattern_looks.c.set_id, pattern_looks.c.repository, sa.func.count().label("looks")
        )
        .group_by(pattern_looks.c.set_id, pattern_looks.c.repository)
        .subquery()
    )
    query = (
        sa.select(
            pattern_sets.c.pattern_id,
            pattern_sets.c.digest,
            looked.c.repository,
            sa.func.sum(looked.c.looks),
        )
        .join_from(pattern_sets, looked, pattern_sets.c.set_id == looked.c.set_id)
        .group_by(pattern_sets.c.pattern_id, pattern_sets.c.digest, looked.c.repository)
    )
    for pattern_id, digest, repository, looks in conn.execute(query):
        key = (pattern_id, digest, repository)
        found[key] = found.get(key, Watched()).plus(Watched(int(looks)))
    return found
