"""A stored run, and the lease to write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest
from support.new_run import NEW_RUN

from autopack.store import Database, Holder, Lease, leases, runs

P = ParamSpec("P")
T = TypeVar("T")


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
