"""Reconciling goes by every minute: what ended long ago costs it no question to the database."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from support.new_run import NEW_RUN

from autopack.model.states import RunState
from autopack.runs.reconcile import reconcile
from autopack.runs.reconcile.reclaim_disk import reclaim
from autopack.settings import Settings
from autopack.store import Database, Holder, leases, runs
from autopack.store.folder_note import claim_folder


def ended(db: Database, settings: Settings, name: str) -> None:
    """A run that was cancelled, with its folder and what a build left in it."""
    new = replace(NEW_RUN, run_id=name, branch=f"autopack/{name}")
    runs.create_run(db, new, [("one", "T1")])
    lease = leases.acquire(db, name, Holder.of_this_process(), 45).lease
    db.transact(lambda conn: runs.move_run(conn, lease, RunState.DONE_CANCELLED))
    leases.release(db, lease)
    spool = claim_folder(settings.home, db, name) / "spool" / "one" / "1"
    spool.mkdir(parents=True)
    (spool / "builder.out").write_text("done\n")


@contextmanager
def asked(db: Database) -> Generator[list[str]]:
    made: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        made.append(statement)

    engine = db._engine  # pyright: ignore[reportPrivateUsage]
    event.listen(engine, "before_cursor_execute", note)
    yield made
    event.remove(engine, "before_cursor_execute", note)


def test_twenty_ended_runs_are_asked_about_as_one_is(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "_end_orphans", lambda *_: 0)  # looks at all processes
    counts: list[int] = []
    for many in (1, 20):
        for number in range(many):
            ended(database, settings, f"r{many}-{number}")
        reconcile.clean(database, settings)
        with asked(database) as statements:
            reconcile.clean(database, settings)
        counts.append(len(statements))
    assert counts[1] <= counts[0]


def test_what_one_of_them_left_is_removed_all_the_same(
    database: Database, settings: Settings
) -> None:
    for number in range(3):
        ended(database, settings, f"r-{number}")
    folder = claim_folder(settings.home, database, "r-1")
    (folder / "work" / "main").mkdir(parents=True)
    (folder / "environment").mkdir()
    session = folder / "spool" / "one" / "1" / "session"
    session.mkdir()
    cleaned = reconcile.clean(database, settings)
    assert (cleaned.removed_workspaces, cleaned.removed_runs) == (1, 0)
    assert not (folder / "work").exists()
    assert not (folder / "environment").exists()
    assert not session.exists()
    assert (session.parent / "builder.out").exists()


@pytest.mark.parametrize(("is_known", "kept"), [(True, False), (False, True)])
def test_giving_disk_back_leaves_runs_that_the_database_does_not_know(
    database: Database, settings: Settings, is_known: bool, kept: bool
) -> None:
    ended(database, settings, "r")
    folder = claim_folder(settings.home, database, "r")
    if not is_known:  # as after a backup was restored
        folder = folder.rename(folder.with_name("later"))
    reclaim(database, settings, older_than=timedelta(0))
    assert (folder / "spool" / "one" / "1" / "builder.out").exists() is kept
