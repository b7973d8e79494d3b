"""A database is known by what it holds, at whatever address; its folders are its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.model.errors import DatabaseRefused, Refused
from autopack.store import tables
from autopack.store.database.engine import Database
from autopack.store.folder_note import (
    claim_folder,
    find_folder,
    foreign_folders,
    note_of,
    our_folders,
)
from autopack.store.runs import NewRun, create_run, get_run


@pytest.fixture
def with_run(new_run: Callable[..., NewRun]) -> Callable[[Database], Database]:
    """Stores run ``demo`` in a database."""

    def storing(db: Database) -> Database:
        create_run(db, new_run(run_id="demo"), [("one", "T1")])
        return db

    return storing


Storing = Callable[[Database], Database]


def forget_identity(db: Database, run_id: str = "demo") -> None:
    """Make the run one that an earlier version stored."""
    db.transact(lambda conn: conn.execute(sa.update(tables.runs).values(database_id=None)))
    assert get_run(db, run_id).database_id is None


def test_every_database_has_an_identity_of_its_own_that_stays(
    empty_database_url: str, tmp_path: Path
) -> None:
    fresh = Database.open(empty_database_url, check_schema=False)
    with pytest.raises(DatabaseRefused, match="no identity yet"):
        _ = fresh.identity
    fresh.upgrade()
    again = Database.open(empty_database_url)
    other = Database.open(f"sqlite:///{tmp_path / 'other.db'}")
    assert len(fresh.identity) == 32
    assert fresh.identity == again.identity
    assert fresh.identity != other.identity
    for db in (fresh, again, other):
        db.close()


def test_a_path_through_a_link_leads_to_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to(tmp_path / "here")
    (tmp_path / "link.db").symlink_to(tmp_path / "here" / "x.db")
    spellings = [
        Database.open(f"sqlite:///{tmp_path / name}")
        for name in ("here/x.db", "there/x.db", "link.db", "there/../here/x.db")
    ]
    assert len({db.identity for db in spellings}) == 1
    assert len({db.mark for db in spellings}) == 1


@pytest.mark.parametrize("engine_name", ["postgresql"])
def test_every_spelling_of_a_server_leads_to_the_same_database(database_url: str) -> None:
    url = sa.make_url(database_url)
    folder = url.query["host"] if not url.host else url.host
    spellings = [
        url,
        url.set(host=None, query={"host": str(folder)}),
        url.set(query={**url.query, "application_name": "other"}),
    ]
    opened = [Database.open(one.render_as_string(hide_password=False)) for one in spellings]
    assert len({db.mark for db in opened}) == 1
    for db in opened:
        db.close()


def test_a_copy_marks_its_processes_otherwise(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    db.close()
    shutil.copy(tmp_path / "x.db", tmp_path / "copy.db")
    copy = Database.open(f"sqlite:///{tmp_path / 'copy.db'}")
    assert copy.identity == db.identity
    assert copy.mark != db.mark


def test_the_folder_of_another_database_is_left_alone(
    database: Database, open_other: Callable[[], Database], tmp_path: Path, with_run: Storing
) -> None:
    first = claim_folder(tmp_path, with_run(database), "demo")
    other = with_run(open_other())
    second = claim_folder(tmp_path, other, "demo")
    assert first == tmp_path / "runs" / "demo"
    assert second == tmp_path / "runs" / f"demo@{other.key}"
    for db, folder, foreign in ((database, first, second), (other, second, first)):
        assert claim_folder(tmp_path, db, "demo") == folder == find_folder(tmp_path, db, "demo")
        assert list(our_folders(tmp_path, db)) == [("demo", folder)]
        assert foreign_folders(tmp_path, db) == [foreign]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"sqlite:////gone.db"])
def test_a_folder_that_nobody_named_is_not_read_for_a_new_run(
    database: Database, tmp_path: Path, content: bytes | None, with_run: Storing
) -> None:
    left = tmp_path / "runs" / "demo"
    left.mkdir(parents=True)
    (left / "process.log").write_text("of another")
    if content is not None:
        note_of(left).write_bytes(content)
    assert find_folder(tmp_path, with_run(database), "demo") != left
    assert claim_folder(tmp_path, database, "demo") != left


def test_a_run_of_an_earlier_version_keeps_its_folder(
    database: Database, tmp_path: Path, with_run: Storing
) -> None:
    forget_identity(with_run(database))
    left = tmp_path / "runs" / "demo"
    left.mkdir(parents=True)
    for noted in (database.url_masked, None):
        note_of(left).unlink(missing_ok=True)
        if noted is not None:
            note_of(left).write_text(noted)
        assert list(our_folders(tmp_path, database)) == [("demo", left)]
        assert claim_folder(tmp_path, database, "demo") == left
        assert note_of(left).read_text().splitlines() == [database.identity, database.url_masked]


def test_a_new_run_does_not_get_what_an_earlier_version_left_at_the_same_address(
    database: Database, tmp_path: Path, with_run: Storing
) -> None:
    left = tmp_path / "runs" / "demo"
    left.mkdir(parents=True)
    note_of(left).write_text(database.url_masked)
    assert claim_folder(tmp_path, with_run(database), "demo") != left


def test_a_run_whose_folders_others_have_is_refused(
    database: Database, tmp_path: Path, with_run: Storing
) -> None:
    with_run(database)
    for name in ("demo", f"demo@{database.key}"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        note_of(tmp_path / "runs" / name).write_text("another")
    with pytest.raises(Refused, match="belong to other databases"):
        claim_folder(tmp_path, database, "demo")


@pytest.fixture
def open_other(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Database]:
    """Opens a database that is none of this test's others."""

    def opening() -> Database:
        db = Database.open(f"sqlite:///{tmp_path / 'other.db'}")
        request.addfinalizer(db.close)
        return db

    return opening
