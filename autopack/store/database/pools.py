"""One pool of connections for all that a process opens at one PostgreSQL address.

A server admits a hundred connections unless it is told otherwise, and a process may have fifty runs
under way. How many are in use at a time follows from its threads, not from its runs.
"""

from __future__ import annotations

import threading
from weakref import WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy.engine import URL

from autopack.store.database import connecting

Key = tuple[URL, float]


class Pool:
    """An engine, and how many use it; without users its connections are given back."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.users = 0


_lock = threading.Lock()
# Weak, so that what is never closed ends with the last who knew it.
_pools: WeakValueDictionary[Key, Pool] = WeakValueDictionary()


def join(url: URL, *, busy_seconds: float) -> Pool:
    """Return the pool for this address, or one of its own for SQLite, whose files may be replaced.

    Of writers that wait differently long for one another each kind has its own.
    """
    with _lock:
        pool = _pools.get((url, busy_seconds))
        if pool is None:
            pool = Pool(connecting.create_engine(url, busy_seconds=busy_seconds))
            if url.get_backend_name() == "postgresql":
                _pools[url, busy_seconds] = pool
        pool.users += 1
        return pool


def leave(pool: Pool) -> None:
    """Give the connections back where nobody else uses the pool."""
    with _lock:
        pool.users -= 1
        if pool.users == 0:
            pool.engine.dispose()
