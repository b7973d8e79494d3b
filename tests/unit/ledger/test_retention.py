"""Old calls leave the ledger, and no figure changes, whatever comes late or again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from support.usage import record, usage_event

from autopack.ledger.check import check
from autopack.ledger.consolidated import usage
from autopack.ledger.events.usage_events import token_totals
from autopack.ledger.maintenance import maintain
from autopack.ledger.recorder import Recorder
from autopack.ledger.retention import retain
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.folder_note import note_of
from autopack.store.tables import llm_usage_events, rollups
from autopack.store.usage_event import UsageEvent
from deployments.cli import run_command

OLD = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = timedelta(days=90)


def event(number: int, **changes: object) -> UsageEvent:
    known = {"event_key": f"key-{number}", "run_id": "old", "model": f"m{number % 2}"}
    return usage_event(number, **known | {"created_at": OLD} | changes)


@pytest.fixture
def filled(database: Database) -> Database:
    """An imported run that ended long ago, and one that did not."""
    young = [event(n, run_id="young", created_at=None) for n in (8, 9)]
    record(database, *(event(n) for n in range(5)), *young)
    database.transact(
        lambda conn: conn.execute(
            sa.insert(rollups.usage_imports),
            [
                {"run_id": run_id, "origin": "f", "imported_at": OLD}
                for run_id in ("old", "young", "late")
            ],
        )
    )
    return database


def kept(db: Database) -> int:
    with db.read() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(llm_usage_events)) or 0


def test_only_old_runs_are_archived_and_no_figure_changes(filled: Database) -> None:
    before = token_totals(filled, "old"), usage(filled, by="model"), usage(filled, by="day")
    done = retain(filled, DAYS)
    assert (done.run_ids, done.events, kept(filled)) == (("old",), 5, 2)
    after = token_totals(filled, "old"), usage(filled, by="model"), usage(filled, by="day")
    assert after == before
    assert check(filled) == []
    assert retain(filled, DAYS).events == 0


def test_what_comes_again_after_its_archiving_adds_nothing(filled: Database) -> None:
    retain(filled, DAYS)
    assert record(filled, event(1), event(2), event(7)) == 1
    assert token_totals(filled, "old").total == 60
    assert check(filled) == []
    assert retain(filled, DAYS).events == 1
    assert (token_totals(filled, "old").total, check(filled)) == (60, [])


def test_a_dry_run_changes_nothing(filled: Database) -> None:
    assert retain(filled, DAYS, dry_run=True).events == 5
    assert kept(filled) == 7


def test_the_door_is_shut_again(filled: Database) -> None:
    retain(filled, DAYS)
    with pytest.raises(exc.DBAPIError, match="llm_usage_events is append-only"):
        filled.transact(lambda conn: conn.execute(sa.delete(llm_usage_events)))


def test_maintenance_ingests_spools_and_archives(filled: Database, tmp_path: Path) -> None:
    settings = Settings(tmp_path, "unused")
    folder = settings.run_folder("late")
    folder.mkdir(parents=True)
    note_of(folder).write_text(filled.identity)
    recorder = Recorder(filled, folder)
    recorder._keep([event(50, run_id="late")], None)
    done = maintain(filled, settings)
    assert (done.ingested_events, done.archived_runs, done.archived_events) == (1, 2, 6)
    assert done.drift == 0
    assert maintain(filled, settings).archived_events == 0


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_an_unexpected_database_is_refused_without_yes(
    filled: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    command = ["db", "retain", "--older-than", "90d", "--json"]
    assert run_command(command) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "unexpected" in error["message"]
    assert kept(filled) == 7
    assert run_command([*command, "--dry-run"]) == 0
    assert run_command([*command, "--yes"]) == 0
    capsys.readouterr()
    assert kept(filled) == 2

    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    assert run_command(command) == 2
    assert "is empty" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert run_command(["db", "identity", "--json"]) == 0
    identity = json.loads(capsys.readouterr().out)
    assert identity["engine"] == "sqlite"
    assert identity["rows"]["llm_usage_events"] == 0
