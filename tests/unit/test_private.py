"""Homes and databases are their owner's alone, whatever the umask and whatever was there before."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from autopack.files import private
from autopack.settings import Settings
from autopack.store import Database

UMASKS = (0o000, 0o022, 0o077)


@pytest.fixture(autouse=True, params=UMASKS, ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    private._warn.cache_clear()
    usual = os.umask(request.param)
    yield request.param
    os.umask(usual)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def home_of(path: Path) -> Path:
    return Settings.from_environment({"AUTOPACK_HOME": str(path)}).home


def test_a_new_home_is_its_owners_and_nobody_else_can_replace_it(tmp_path: Path) -> None:
    home = home_of(tmp_path / "a" / "b" / "home")
    assert mode(home) == 0o700
    assert not (mode(home.parent) | mode(home.parent.parent)) & 0o022


@pytest.mark.parametrize("kept", [(), ("autopack.db",), ("runs", "notes of the user")])
def test_a_home_with_wider_permissions_is_narrowed(tmp_path: Path, kept: tuple[str, ...]) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o2775)
    for name in kept:
        (tmp_path / "home" / name).touch()
    assert mode(home_of(tmp_path / "home")) == 0o700


@pytest.mark.parametrize("whose", ["other things", "like /tmp", "the user's home", "another's"])
def test_a_folder_that_is_not_autopacks_is_named_and_stays(
    tmp_path: Path, whose: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis").touch()
    folder.chmod(0o1777 if whose == "like /tmp" else 0o755)
    if whose != "other things":
        (folder / "runs").touch()
    if whose == "the user's home":
        monkeypatch.setenv("HOME", str(folder))
    if whose == "another's":
        if os.geteuid() != 0:
            pytest.skip("only root can make a file of another user")
        os.chown(folder, 54321, 54321)
    before = mode(folder)
    with caplog.at_level(logging.WARNING, "autopack"):
        home_of(folder)
        home_of(folder)
    assert mode(folder) == before
    assert caplog.text.count(f"{folder} is open to other users") == 1


def opened(url: str) -> Database:
    database = Database.open(url, check_schema=False)
    database.transact(lambda conn: conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (n)"))
    return database


def modes_beside(file: Path) -> dict[str, int]:
    return {path.name: mode(path) for path in file.parent.glob(f"{file.name}*")}


@pytest.mark.parametrize("address", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
def test_a_new_database_is_its_owners_and_so_is_what_sqlite_keeps_beside_it(
    tmp_path: Path, address: str
) -> None:
    file = tmp_path / "data base.db"
    database = opened(address.format(file))
    assert modes_beside(file) == dict.fromkeys(
        ("data base.db", "data base.db-wal", "data base.db-shm"), 0o600
    )
    database.close()


def test_an_existing_database_is_narrowed_while_others_use_it(tmp_path: Path) -> None:
    file = tmp_path / "autopack.db"
    opened(f"sqlite:///{file}").close()
    user = sqlite3.connect(file, isolation_level=None)
    user.execute("BEGIN IMMEDIATE")
    for path in tmp_path.glob("autopack.db*"):
        path.chmod(0o666)
    database = Database.open(f"sqlite:///{file}", check_schema=False)
    assert set(modes_beside(file).values()) == {0o600}
    other = sqlite3.connect(file, isolation_level=None, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    user.close()
    database.close()


def test_a_database_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    with pytest.raises(Exception, match="unable to open"):
        Database.open(f"sqlite:///file:{file}?mode=ro&uri=true")
    assert not file.exists()
