"""A request to cancel is stored, or the caller is told that it was not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from autopack.model.errors import DatabaseRefused
from autopack.store.cancelling import request_cancel_of
from autopack.store.tables import runs


def test_a_database_that_takes_no_request_is_no_run_that_has_ended(run, database, open_database):
    hasty = open_database(busy_seconds=0.3)

    def write(conn):
        conn.execute(sa.update(runs).values(goal="taken"))
        with pytest.raises(DatabaseRefused):
            request_cancel_of(hasty, [run.run_id])

    database.transact(write)
    assert request_cancel_of(hasty, ["none", run.run_id]) == [run.run_id]
