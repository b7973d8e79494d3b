"""Registered experiments, their pairs and their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa

from autopack.model.errors import NotFound
from autopack.store.database.engine import Database, insert_new, now, reading
from autopack.store.reading import Source
from autopack.store.tables import runs
from autopack.store.tables.experiments import ab_pairs, ab_test_results, ab_tests
from autopack.store.tables.rollups import usage_by_run

Amount = TypeVar("Amount", Decimal, float)


_PLANNED = (
    "test_id",
    "number",
    "plan_name",
    "plan_hash",
    "replicate",
    "first",
    "control_run_id",
    "treatment_run_id",
)


@dataclass(frozen=True, kw_only=True)
class NewExperiment:
    """An experiment that is about to be registered; ``body`` is all that carrying it out needs."""

    test_id: str
    spec_hash: str
    protocol_hash: str
    repo: str
    commit_sha: str
    body: Mapping[str, Any]
    operator: str


@dataclass(frozen=True, kw_only=True)
class ExperimentRow:
    """A registered experiment; ``stop_reason`` says why it takes no further pair.

    ``amendments`` are what was added later: ``kind`` budget (``tokens``, ``cost`` as text,
    ``minutes``) or replace_void, and when (``at``, in ISO 8601).
    """

    test_id: str
    spec_hash: str
    protocol_hash: str
    repo: str
    commit_sha: str
    body: dict[str, Any]
    operator: str
    created_at: datetime
    finished_at: datetime | None
    stop_reason: str | None
    amendments: list[dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """A pair, planned, under way or judged; ``number`` counts from 1 in planned order.

    ``replaces`` is the number of the void pair that it takes the place of.
    """

    test_id: str
    number: int
    plan_name: str
    plan_hash: str
    replicate: int
    first: str
    control_run_id: str
    treatment_run_id: str
    reserved_tokens: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_valid: bool | None = None
    warnings: list[str] | None = None
    errors: list[str] | None = None
    replaces: int | None = None

    @property
    def runs(self) -> tuple[str, str]:
        """Control and treatment."""
        return self.control_run_id, self.treatment_run_id


def register(db: Database, new: NewExperiment, pairs: Sequence[PairRow]) -> ExperimentRow:
    """Store an experiment with its planned pairs; one that is registered already stays as it is."""

    def write(conn: sa.Connection) -> ExperimentRow:
        inserted = conn.execute(
            insert_new(conn, ab_tests)
            .values(
                test_id=new.test_id,
                spec_hash=new.spec_hash,
                protocol_hash=new.protocol_hash,
                repo=new.repo,
                commit_sha=new.commit_sha,
                body=dict(new.body),
                operator=new.operator,
                created_at=now(conn),
            )
            .returning(ab_tests.c.test_id)
        ).first()
        if inserted is not None:
            conn.execute(
                sa.insert(ab_pairs),
                [{name: getattr(pair, name) for name in _PLANNED} for pair in pairs],
            )
        return get_test(conn, new.test_id)

    return db.transact(write)


def get_test(source: Source, test_id: str) -> ExperimentRow:
    """Return the experiment. Raises NotFound."""
    with reading(source) as conn:
        row = conn.execute(sa.select(ab_tests).where(ab_tests.c.test_id == test_id)).mappings()
        found = row.first()
    if found is None:
        raise NotFound(
            f"there is no experiment {test_id!r}",
            field="test",
            hint="autopack ab run prints its id",
        )
    return ExperimentRow(**found)


def find_test(source: Source, test_id: str) -> ExperimentRow | None:
    """Return the experiment, or None where there is none of that id."""
    return _newest(source, ab_tests.c.test_id == test_id)


def unfinished_test(source: Source, spec_hash: str) -> ExperimentRow | None:
    """Return the newest experiment of that declaration that takes further pairs."""
    unfinished = ab_tests.c.finished_at.is_(None)
    return _newest(source, ab_tests.c.spec_hash == spec_hash, unfinished)


def newest_test(source: Source, spec_hash: str) -> ExperimentRow | None:
    """Return the newest experiment of that declaration, finished or not."""
    return _newest(source, ab_tests.c.spec_hash == spec_hash)


def newest_unfinished_of(source: Source, repo: str, name: str) -> ExperimentRow | None:
    """Return the newest experiment on a repository that takes further pairs and is called
    ``name``.
    """
    called = ab_tests.c.test_id.startswith(f"{name}-", autoescape=True)
    unfinished = ab_tests.c.finished_at.is_(None)
    return _newest(source, ab_tests.c.repo == repo, unfinished, called)


def _newest(source: Source, *where: sa.ColumnElement[bool]) -> ExperimentRow | None:
    query = sa.select(ab_tests).where(*where).order_by(ab_tests.c.created_at.desc())
    with reading(source) as conn:
        found = conn.execute(query).mappings().first()
    return None if found is None else ExperimentRow(**found)


def amend_test(db: Database, test_id: str, amendment: Mapping[str, Any]) -> ExperimentRow:
    """Keep what is added to an experiment, which then takes further pairs."""

    def write(conn: sa.Connection) -> ExperimentRow:
        at = now(conn)
        row = get_test(conn, test_id)
        added = [*(row.amendments or ()), {**amendment, "at": at.isoformat()}]
        conn.execute(
            sa.update(ab_tests)
            .where(ab_tests.c.test_id == test_id)
            .values(amendments=added, finished_at=None, stop_reason=None)
        )
        return get_test(conn, test_id)

    return db.transact(write)


def add_replacement(db: Database, pair: PairRow) -> bool:
    """Plan a further pair in the place of a void one; False when that has been done already."""

    def write(conn: sa.Connection) -> bool:
        conn.execute(
            sa.select(ab_tests.c.test_id)
            .where(ab_tests.c.test_id == pair.test_id)
            .with_for_update()
        )
        pairs = get_pairs(conn, pair.test_id)
        if any(one.replaces == pair.replaces or one.number == pair.number for one in pairs):
            return False
        values = {name: getattr(pair, name) for name in (*_PLANNED, "replaces")}
        conn.execute(sa.insert(ab_pairs).values(values))
        return True

    return db.transact(write)


def add_replicate(db: Database, pair: PairRow) -> bool:
    """Plan a further pair of a plan; False when that has been done already."""

    def write(conn: sa.Connection) -> bool:
        conn.execute(
            sa.select(ab_tests.c.test_id)
            .where(ab_tests.c.test_id == pair.test_id)
            .with_for_update()
        )
        wanted = pair.plan_name, pair.replicate
        pairs = get_pairs(conn, pair.test_id)
        if any(wanted == (one.plan_name, one.replicate) for one in pairs):
            return False
        if any(one.number == pair.number for one in pairs):
            return False
        conn.execute(sa.insert(ab_pairs).values({name: getattr(pair, name) for name in _PLANNED}))
        return True

    return db.transact(write)


def get_pairs(source: Source, test_id: str) -> list[PairRow]:
    """Return every planned pair in planned order."""
    query = sa.select(ab_pairs).where(ab_pairs.c.test_id == test_id).order_by(ab_pairs.c.number)
    with reading(source) as conn:
        return [PairRow(**row) for row in conn.execute(query).mappings()]


def start_pair(
    db: Database,
    pair: PairRow,
    *,
    reserve: int,
    cap: int | None,
    cost: Decimal | None = None,
    minutes: float | None = None,
) -> bool:
    """Note that a pair is under way, with ``reserve`` tokens of ``cap`` set aside for it.

    Of caps on ``cost`` and ``minutes`` what the largest pair so far took has to be left for it,
    and for every other that is under way. False, and nothing is noted, when what the pairs spent
    or hold leaves less than that. A pair that is under way already keeps what it holds.
    """

    def write(conn: sa.Connection) -> bool:
        # Nobody else may reserve from this experiment meanwhile.
        conn.execute(
            sa.select(ab_tests.c.test_id)
            .where(ab_tests.c.test_id == pair.test_id)
            .with_for_update()
        )
        pairs = get_pairs(conn, pair.test_id)
        if next(one for one in pairs if one.number == pair.number).started_at is not None:
            return True
        if cap is not None and taken(conn, pairs) + reserve > cap:
            return False
        if (cost, minutes) != (None, None):
            begun = [one for one in pairs if one.started_at is not None]
            paid = [(*_paid(conn, one), one.finished_at is None) for one in begun]
            if cost is not None and not _fits([(one, open_) for one, _, open_ in paid], cost):
                return False
            if minutes is not None and not _fits([(one, open_) for _, one, open_ in paid], minutes):
                return False
        conn.execute(
            sa.update(ab_pairs)
            .where(_is(pair.test_id, pair.number))
            .values(started_at=now(conn), reserved_tokens=reserve)
        )
        return True

    return db.transact(write)


def _fits(spent: Sequence[tuple[Amount, bool]], cap: Amount) -> bool:
    """Return whether one more pair as large as the largest so far ends within ``cap``.

    ``spent`` is what each pair took, and whether it is still under way.
    """
    zero = cap - cap
    largest = max((amount for amount, _ in spent), default=zero)
    total = sum((max(amount, largest) if open_ else amount for amount, open_ in spent), zero)
    return total < cap and total + largest <= cap


def _paid(conn: sa.Connection, pair: PairRow) -> tuple[Decimal, float]:
    """Return the dollars and the minutes of work that a pair took so far."""
    sums = usage_by_run
    names = ("cost_microdollars", "cost_picodollars")
    query = sa.select(*(sa.func.sum(sums.c[name]).label(name) for name in names))
    cost = conn.execute(query.where(sums.c.run_id.in_(pair.runs))).mappings().one()
    worked = sa.select(sa.func.sum(runs.c.elapsed_seconds)).where(runs.c.run_id.in_(pair.runs))
    micro, pico = (Decimal(int(cost[name] or 0)) for name in names)
    return micro.scaleb(-6) + pico.scaleb(-12), (conn.scalar(worked) or 0) / 60


def taken(conn: sa.Connection, pairs: Iterable[PairRow]) -> int:
    """Tokens that pairs spent, or hold while they are under way, whichever is more."""
    started = [pair for pair in pairs if pair.started_at is not None]
    runs = [run_id for pair in started for run_id in pair.runs]
    sums = usage_by_run
    query = (
        sa.select(sums.c.run_id, sa.func.sum(sums.c.total_tokens))
        .where(sums.c.run_id.in_(runs))
        .group_by(sums.c.run_id)
    )
    spent = {run_id: int(total) for run_id, total in conn.execute(query)}
    total = 0
    for pair in started:
        of_pair = sum(spent.get(run_id, 0) for run_id in pair.runs)
        held = 0 if pair.finished_at is not None else pair.reserved_tokens or 0
        total += max(of_pair, held)
    return total


def finish_pair(
    db: Database,
    test_id: str,
    number: int,
    *,
    is_valid: bool,
    warnings: Sequence[str],
    errors: Sequence[str],
) -> None:
    """Keep the judgement of a pair whose runs have ended; judging it again changes nothing."""
    db.transact(
        lambda conn: conn.execute(
            sa.update(ab_pairs)
            .where(_is(test_id, number), ab_pairs.c.finished_at.is_(None))
            .values(
                finished_at=now(conn),
                is_valid=is_valid,
                warnings=list(warnings),
                errors=list(errors),
            )
        )
    )


def finish_test(db: Database, test_id: str, reason: str) -> None:
    """Note that the experiment takes no further pair, and why; the first reason stays."""
    db.transact(
        lambda conn: conn.execute(
            sa.update(ab_tests)
            .where(ab_tests.c.test_id == test_id, ab_tests.c.finished_at.is_(None))
            .values(finished_at=now(conn), stop_reason=reason)
        )
    )


def record_result(db: Database, report: Mapping[str, Any]) -> None:
    """Keep an analysis (the JSON of ``ab analyse``), once for each set of inputs."""
    columns = ("test_id", "input_hash", "protocol_hash", "decision", "sentence", "n_pairs")
    values = {name: report[name] for name in (*columns, "n_void")}
    db.transact(
        lambda conn: conn.execute(
            insert_new(conn, ab_test_results).values(
                **values, report=dict(report), created_at=now(conn)
            )
        )
    )


def get_results(source: Source, test_id: str) -> list[dict[str, Any]]:
    """Return every analysis of an experiment that was kept, oldest first."""
    table = ab_test_results
    query = (
        sa.select(table.c.report)
        .where(table.c.test_id == test_id)
        .order_by(table.c.created_at, table.c.input_hash)
    )
    with reading(source) as conn:
        return [row.report for row in conn.execute(query)]


def _is(test_id: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(ab_pairs.c.test_id == test_id, ab_pairs.c.number == number)
