"""Registered experiments, their pairs and their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.model.errors import NotFound
from autopack.store.database.engine import (
    Database,
    insert_new,
    now,
    reading,
)
from autopack.store.reading import Source
from autopack.store.tables.experiments import ab_pairs, ab_test_results, ab_tests
from autopack.store.tables.rollups import usage_by_run


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
    """A registered experiment; ``stop_reason`` says why it takes no further pair."""

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


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """A pair, planned, under way or judged; ``number`` counts from 1 in planned order."""

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
            planned = (
                "test_id",
                "number",
                "plan_name",
                "plan_hash",
                "replicate",
                "first",
                "control_run_id",
                "treatment_run_id",
            )
            conn.execute(
                sa.insert(ab_pairs),
                [{name: getattr(pair, name) for name in planned} for pair in pairs],
            )
        return get_test(conn, new.test_id)

    return db.transact(write)


def get_test(source: Source, test_id: str) -> ExperimentRow:
    """The experiment. Raises NotFound."""
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


def unfinished_test(source: Source, spec_hash: str) -> ExperimentRow | None:
    """The newest experiment of that declaration that takes further pairs."""
    query = (
        sa.select(ab_tests)
        .where(ab_tests.c.spec_hash == spec_hash, ab_tests.c.finished_at.is_(None))
        .order_by(ab_tests.c.created_at.desc())
    )
    with reading(source) as conn:
        found = conn.execute(query).mappings().first()
    return None if found is None else ExperimentRow(**found)


def get_pairs(source: Source, test_id: str) -> list[PairRow]:
    """Every planned pair in planned order."""
    query = sa.select(ab_pairs).where(ab_pairs.c.test_id == test_id).order_by(ab_pairs.c.number)
    with reading(source) as conn:
        return [PairRow(**row) for row in conn.execute(query).mappings()]


def start_pair(db: Database, pair: PairRow, *, reserve: int, cap: int | None) -> bool:
    """Note that a pair is under way, with ``reserve`` tokens of ``cap`` set aside for it.

    False, and nothing is noted, when what the pairs spent or hold leaves less than that.
    A pair that is under way already keeps what it holds.
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
        conn.execute(
            sa.update(ab_pairs)
            .where(_is(pair.test_id, pair.number))
            .values(started_at=now(conn), reserved_tokens=reserve)
        )
        return True

    return db.transact(write)


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
    """Every analysis of an experiment that was kept, oldest first."""
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
