"""What attempts printed is redacted, also when its process was killed before it did that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import call, git, make_project

from autopack.model.ids import AttemptKey
from autopack.runs.attempt import begin, build
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.reconcile.reconcile import clean
from autopack.runs.session.opening import (
    close_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.spools.spool import spool_folder
from autopack.secrecy.redaction import Redactor
from autopack.settings import Settings
from autopack.store import tables
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts

KEY = "sk-very-secret-123456"
NAME = "MY_API_KEY"


class Killed(BaseException):
    pass


@pytest.fixture
def left(
    tmp_path: Path,
    store: Callable[..., str],
    open_run: Callable[[str], RunSession],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The output of an attempt whose process was killed between closing and redacting it."""
    monkeypatch.setenv(NAME, KEY)
    session: Any = open_run(store(make_project(tmp_path / "project", {"one": [[call(1)]]})))
    attempt = begin(session, "one")
    output = spool_folder(session.folder, AttemptKey("r", "one", 1)) / "builder.out"
    output.write_text(f'{{"output": "key {KEY}"}}\n')

    def killed(_self: Redactor, _path: Path) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Redactor, "folder", killed)
        with pytest.raises(Killed):
            session.recorder.interrupted(attempt)
    close_session(session)
    assert KEY in output.read_text()
    return output


def marks(db: Database) -> list[bool]:
    return [attempt.redacted_at is not None for attempt in get_attempts(db, "r")]


def test_the_next_holder_does_it(
    left: Path, open_run: Callable[[str], RunSession], database: Database
) -> None:
    open_run("r")
    assert KEY not in left.read_text()
    assert marks(database) == [True]


def test_reconciling_does_it(left: Path, database: Database, settings: Settings) -> None:
    clean(database, settings)
    assert KEY not in left.read_text()
    assert marks(database) == [True]


def test_who_does_not_know_the_secret_leaves_it_to_who_does(
    left: Path, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME)
    clean(database, settings)
    assert marks(database) == [False]
    monkeypatch.setenv(NAME, KEY)
    clean(database, settings)
    assert KEY not in left.read_text()
    assert marks(database) == [True]


def test_of_an_earlier_version_it_is_done_once(
    left: Path, database: Database, settings: Settings
) -> None:
    (settings.run_folder("r") / "secrets.json").unlink()
    clean(database, settings)
    assert KEY not in left.read_text()
    assert marks(database) == [True]


def test_no_secret_can_be_told_from_the_note(left: Path, settings: Settings) -> None:
    note = (settings.run_folder("r") / "secrets.json").read_text()
    assert KEY not in note
    assert all(len(tag) == 4 for tag in Redactor([KEY]).tags)


def test_a_run_whose_spool_is_gone_holds_up_no_other(
    left: Path, database: Database, settings: Settings
) -> None:
    other = sa.select(tables.runs).where(tables.runs.c.run_id == "r")
    with database.read() as conn:
        row = dict(conn.execute(other).mappings().one())
    database.transact(
        lambda conn: conn.execute(sa.insert(tables.runs).values(**row | {"run_id": "a"}))
    )
    clean(database, settings)
    assert marks(database) == [True]


async def test_the_message_of_a_commit_has_no_secret(
    tmp_path: Path,
    store: Callable[..., str],
    open_run: Callable[[str], RunSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = {"one": [[call(1), {"files": {"a": "1"}}]]}
    phase = {"instructions": "log in with correct-horse-battery-9, then look"}
    run_id = store(make_project(tmp_path / "project", steps, phase=phase))
    # Known only now: a plan that holds what is known before is refused.
    monkeypatch.setenv("MY_APP_PASSPHRASE", "correct-horse-battery-9")
    session = open_run(run_id)
    session.environment = await prepare_environment(session)
    begin(session, "one")
    await build(session, AttemptKey("r", "one", 1))
    message = git(session.mirror.git_dir, "log", "--format=%B", "-1", "refs/autopack/r/one/1")
    assert "correct-horse" not in message
    assert "log in with" in message
