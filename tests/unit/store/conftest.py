"""A stored run, and the lease to write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest

from autopack.store import Database, Holder, Lease, leases, runs

P = ParamSpec("P")
T = TypeVar("T")

NEW_RUN = runs.NewRun(
    run_id="run-1",
    plan_hash="a" * 64,
    plan_body={"goal": "g", "phases": [{"id": "one"}]},
    goal="g",
    repo="/repo",
    base_commit="b" * 40,
    branch="autopack/run-1",
    builder="script",
    builder_options={"recording": "dir"},
    model=None,
    models={"builder": "m"},
    features=("failure_hardening",),
    token_cap=5_000_000,
    cost_cap=Decimal("12.34"),
    minutes_cap=120,
    at_cap="fail",
)


@dataclass(frozen=True)
class HeldRun:
    """A run of two phases, `one` and `two`, with its lease."""

    db: Database
    lease: Lease

    def write(
        self, fn: Callable[Concatenate[Any, Lease, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a fenced function in a transaction of its own."""
        return self.db.transact(lambda conn: fn(conn, self.lease, *args, **kwargs))


@pytest.fixture
def new_run() -> Callable[..., runs.NewRun]:
    """A run to create, with some values changed."""
    return lambda **changes: replace(NEW_RUN, **changes)


@pytest.fixture
def run(database: Database) -> runs.RunRow:
    """A stored run that nobody holds."""
    return runs.create_run(database, NEW_RUN, [("one", "T1"), ("two", "T2")])


@pytest.fixture
def held(database: Database, run: runs.RunRow) -> HeldRun:
    """A stored run that this process holds."""
    acquired = leases.acquire(database, run.run_id, Holder.of_this_process(), 45)
    return HeldRun(database, acquired.lease)
