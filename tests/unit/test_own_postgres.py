"""The home's own PostgreSQL: it asks for a password and opens no folder, as root neither."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from autopack.model.errors import WorkFailed
from deployments import postgres_place
from deployments.own_postgres import own_postgres
from deployments.postgres_place import place_of

IS_ROOT = os.name == "posix" and os.geteuid() == 0
NO_PASSWORD = "fe_sendauth|no password"


@pytest.fixture
def stack() -> Iterator[Path]:
    """A folder in a home below the closed folder of a user."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder).resolve() / "user" / "home" / "stack"
        made.mkdir(parents=True)
        for one in (made, *made.parents[:2]):
            one.chmod(0o700)
        yield made
        place = place_of(made).folder
        shutil.rmtree(place)
        place.with_name(f"{place.name}.home").unlink(missing_ok=True)


def engine(url: str, **parts: Any) -> sa.Engine:
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg", **parts))


def modes(path: Path) -> dict[Path, int]:
    return {one: stat.S_IMODE(one.stat().st_mode) for one in (path, *path.parents)}


def everything_below(path: Path) -> set[int]:
    """The permissions of all but sockets, which those of their folder protect."""
    found = [one.lstat().st_mode for one in path.rglob("*")]
    return {stat.S_IMODE(mode) for mode in found if not stat.S_ISSOCK(mode)}


def test_it_asks_for_its_password_and_opens_no_folder(stack: Path) -> None:
    programs = postgres_place._wheel()
    before = modes(stack) | modes(programs)
    usual = os.umask(0)
    try:
        with own_postgres(stack) as url:
            with engine(url).begin() as conn:
                conn.exec_driver_sql("CREATE TABLE kept (n int)")
            with pytest.raises(exc.OperationalError, match=NO_PASSWORD):
                engine(url, password="").connect()
            place = place_of(stack).folder
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
            assert {mode & 0o077 for mode in everything_below(place)} == {0}
        with own_postgres(stack) as url, engine(url).connect() as conn:
            assert conn.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 0
    finally:
        os.umask(usual)
    assert modes(stack) | modes(programs) == before


def test_what_an_earlier_version_stored_is_kept_and_gets_a_password(stack: Path) -> None:
    with own_postgres(stack) as url, engine(url).begin() as conn:
        conn.exec_driver_sql("CREATE TABLE kept (n int)")
    place = place_of(stack).folder
    old = stack / "postgres"
    shutil.move(place / "data", old)
    (old / "pg_hba.conf").write_text("local all all trust\n")
    (place / "password").unlink()
    with own_postgres(stack) as url:
        with engine(url).connect() as conn:
            assert conn.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 0
        with pytest.raises(exc.OperationalError, match=NO_PASSWORD):
            engine(url, password="").connect()
    assert not old.exists()


def test_a_server_that_was_left_running_is_replaced(stack: Path) -> None:
    with own_postgres(stack) as first:
        with own_postgres(stack) as second, engine(second).connect():
            pass
        with pytest.raises(exc.OperationalError):
            engine(first).connect()


@pytest.mark.skipif(not IS_ROOT, reason="only root gives PostgreSQL another user")
def test_programs_that_are_roots_alone_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    programs = closed / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text("#!/bin/sh\necho ran\n")
    (programs / "postgres").chmod(0o700)
    closed.chmod(0o700)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(postgres_place, "FOR_ROOT", Path(folder))
        copied = postgres_place._reachable(programs)
        assert postgres_place._reachable(programs) == copied
        said = subprocess.run(
            [copied / "postgres"], user=54321, group=54321, extra_groups=[], cwd="/",
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert said.stdout == "ran\n"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_where_it_cannot_be_one_line_says_why(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_way = stack / ("postgresql" if not IS_ROOT else "for-root")
    monkeypatch.setattr(postgres_place, "FOR_ROOT", in_the_way)
    in_the_way.write_text("") if IS_ROOT else in_the_way.mkdir(0o500)
    with (
        pytest.raises(WorkFailed, match="PostgreSQL did not start") as caught,
        own_postgres(stack),
    ):
        pass
    assert "--sqlite" in (caught.value.hint or "")
    in_the_way.unlink() if IS_ROOT else in_the_way.rmdir()


@pytest.mark.skipif(not IS_ROOT, reason="only root has data outside its home")
def test_data_of_a_home_that_is_gone_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_place, "FOR_ROOT", tmp_path / "for-root")
    gone, there = tmp_path / "gone", tmp_path / "there"
    for home in (gone, there):
        home.mkdir()
        (place_of(home).folder / "data").mkdir()
    places = [place_of(home).folder for home in (gone, there)]
    gone.rmdir()
    place_of(there)
    assert [place.exists() for place in places] == [False, True]
