"""What is left in a run's folder may be anything: it ends one thing, never the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import call, make_project
from support.usage import usage_event

from autopack.clock import SystemClock
from autopack.files.asides import list_asides
from autopack.ledger.events.usage_events import token_totals
from autopack.ledger.maintenance import maintain
from autopack.ledger.recorder import Recorder
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, RunState
from autopack.runs.attempt import begin
from autopack.runs.finish.finish import cancel
from autopack.runs.reconcile.reconcile import clean
from autopack.runs.session.opening import (
    close_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.spools.spool import make_spool, spool_folder
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import abandon
from autopack.store.runs import get_attempts, get_decisions, get_run

Opening = Callable[[str], RunSession]


@pytest.fixture
def interrupted(tmp_path: Path, store: Callable[..., str], open_run: Opening) -> RunSession:
    """A run whose process died in the first attempt of ``one``, after a call of 100 tokens."""
    project = make_project(tmp_path / "project", {"one": [[call(100)]], "two": [[call(1)]]})
    session = open_run(store(project))
    begin(session, "one")
    line = json.dumps(call(100)) + "\n"
    (spool_folder(session.folder, AttemptKey("r", "one", 1)) / "builder.out").write_text(line)
    close_session(session, release_lease=False)
    abandon(session.db, session.lease)
    return session


BAD_ENDS = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"status": "moved"}', b'{"status": "ended"}']


@pytest.mark.parametrize("content", BAD_ENDS)
def test_a_note_of_the_end_that_cannot_be_read_is_set_aside(
    interrupted: RunSession, open_run: Opening, settings: Settings, content: bytes
) -> None:
    path = spool_folder(interrupted.folder, AttemptKey("r", "one", 1)) / "build.json"
    path.write_bytes(content)
    open_run("r")
    (attempt,) = get_attempts(interrupted.db, "r")
    assert attempt.state is AttemptState.INTERRUPTED
    assert token_totals(interrupted.db, "r").total == 100
    (aside,) = list_asides(settings.home)
    assert aside.path.read_bytes() == content
    assert "how a build ended" in aside.reason


def test_a_run_with_bad_files_can_be_cancelled(
    interrupted: RunSession, database: Database, settings: Settings
) -> None:
    (spool_folder(interrupted.folder, AttemptKey("r", "one", 1)) / "build.json").mkdir()
    (interrupted.folder / "ledger.jsonl").write_text("[]\n")
    (interrupted.folder / "environment.json").write_text("[]")
    (interrupted.folder / "before-mitigation").mkdir()
    (interrupted.folder / "before-mitigation" / "kept.json").write_text("")
    cancel("r", db=database, settings=settings, clock=SystemClock())
    assert get_run(database, "r").state is RunState.DONE_CANCELLED


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"call": {}}', '{"call": 7}', "\udcff"])
def test_a_line_of_the_output_that_cannot_be_read_leaves_the_call_unreconciled(
    interrupted: RunSession, open_run: Opening, settings: Settings, line: str
) -> None:
    with (spool_folder(interrupted.folder, AttemptKey("r", "one", 1)) / "builder.out").open(
        "ab"
    ) as file:
        file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    open_run("r")
    totals = token_totals(interrupted.db, "r")
    # A list says of no call: nothing may be missing.
    assert (totals.total, totals.unreconciled_calls) == (100, int(line != "[]"))
    kinds = [one.kind for one in get_decisions(interrupted.db, "r")]
    assert kinds == (["unreconciled"] if line != "[]" else []) + ["interrupted"]
    assert len(list_asides(settings.home)) == int(line != "[]")


LEDGER_LINES = [
    "",
    "nonsense",
    "[]",
    "7",
    '{"event": null}',
    '{"event": {"tokens": 5}}',
    '{"closes": {}}',
    json.dumps({"event": {"run_id": "r", "total_tokens": "many"}}),
    "[" * 100_000,
]


@pytest.mark.parametrize("line", LEDGER_LINES, ids=[line[:30] for line in LEDGER_LINES])
def test_a_line_of_the_ledgers_spool_that_cannot_be_read_holds_up_nothing(
    interrupted: RunSession,
    open_run: Opening,
    database: Database,
    settings: Settings,
    line: str,
) -> None:
    recorder = Recorder(database, interrupted.folder)
    recorder._keep([usage_event(7)], None)
    with (interrupted.folder / "ledger.jsonl").open("a") as file:
        file.write(f"{line}\n")
    maintain(database, settings)
    clean(database, settings)
    open_run("r")
    assert token_totals(database, "r").total == 110
    assert [one.path.read_text() for one in list_asides(settings.home)] == [f"{line}\n"] * bool(
        line
    )


def test_a_call_of_another_run_is_not_taken_from_a_runs_spool(
    interrupted: RunSession, database: Database, settings: Settings
) -> None:
    Recorder(database, interrupted.folder)._keep([usage_event(7, run_id="other")], None)
    maintain(database, settings)
    assert token_totals(database, "other").total == 0
    assert len(list_asides(settings.home)) == 1


def test_a_call_that_a_later_version_wrote_counts_when_its_fields_are_there(
    interrupted: RunSession, database: Database, settings: Settings
) -> None:
    Recorder(database, interrupted.folder)._keep([usage_event(7)], None)
    path = interrupted.folder / "ledger.jsonl"
    path.write_text(path.read_text().replace('"event": {', '"event": {"carbon": 3, '))
    assert maintain(database, settings).ingested_events == 1


def test_phases_may_be_called_as_any_file(tmp_path: Path, database: Database) -> None:
    names = ("ledger.jsonl", "ledger.refused.jsonl", "setup.log", "aside", "database", "build.json")
    for name in names:
        (make_spool(tmp_path, AttemptKey("r", name, 1)) / "builder.out").write_text("")
    recorder = Recorder(database, tmp_path)
    recorder._keep([usage_event(1, run_id="r")], None)
    assert recorder.ingest().new == 1
    assert all(spool_folder(tmp_path, AttemptKey("r", name, 1)).is_dir() for name in names)


def test_the_spool_of_an_earlier_version_is_ingested(tmp_path: Path, database: Database) -> None:
    recorder = Recorder(database, tmp_path)
    recorder._keep([usage_event(1, run_id="r")], None)
    (tmp_path / "spool").mkdir()
    (tmp_path / "ledger.jsonl").rename(tmp_path / "spool" / "ledger.jsonl")
    assert recorder.ingest().new == 1


def test_an_attempt_begins_with_nothing_of_another_time(
    tmp_path: Path, store: Callable[..., str], open_run: Opening, settings: Settings
) -> None:
    project = make_project(tmp_path / "project", {"one": [[call(100)]]})
    session: Any = open_run(store(project))
    old = make_spool(session.folder, AttemptKey("r", "one", 1))
    (old / "build.json").write_text('{"status": "ended", "exit_status": 0, "summary": "old"}')
    (old / "builder.out").write_text(json.dumps(call(99)) + "\n")
    ref = session.mirror.attempt_ref(AttemptKey("r", "one", 1))
    session.mirror.set_ref(ref, session.head(), old=None)
    close_session(session)
    session = open_run("r")
    begin(session, "one")
    close_session(session, release_lease=False)
    abandon(session.db, session.lease)

    again = open_run("r")
    (attempt,) = get_attempts(again.db, "r")
    assert (attempt.state, attempt.commit) == (AttemptState.INTERRUPTED, None)
    assert token_totals(again.db, "r").total == 0
    assert again.mirror.read_ref(ref) is None
    kept = again.mirror.git.run("for-each-ref", "--format=%(refname)", "refs/autopack-aside")
    assert kept.strip().endswith("/autopack/r/one/1")
    (aside,) = list_asides(settings.home)
    assert (aside.path / "builder.out").exists()
