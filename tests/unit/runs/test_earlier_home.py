"""What an earlier version left is upgraded without loss, and every run of it can go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.earlier_home import unpack
from support.projects import refs_in
from support.runs import carry_out

from autopack.clock import SystemClock
from autopack.ledger.check import check
from autopack.ledger.events.usage_events import token_totals
from autopack.model.states import AttemptState, RunState
from autopack.runs.approval import approve
from autopack.runs.finish.finish import cancel, finish
from autopack.runs.next_phase import ending
from autopack.runs.reconcile.reconcile import abandoned_here
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.approvals import Answer
from autopack.store.runs import get_attempts, get_phases, get_run, list_runs
from autopack.views.run_view import run_view

UNFINISHED = {"created", "started", "built", "failed-attempt", "waiting"}


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return request.param


@dataclass(frozen=True)
class Earlier:
    """The upgraded database and home, and the rows as they were."""

    db: Database
    settings: Settings
    rows: dict[str, list[dict[str, Any]]]
    repository: Path

    def spent(self, run_id: str) -> int:
        calls = self.rows["llm_usage_events"]
        return sum(one["total_tokens"] for one in calls if one["run_id"] == run_id)

    def resume(self, run_id: str) -> None:
        session = open_session(run_id, db=self.db, settings=self.settings, clock=SystemClock())
        asyncio.run(carry_out(session))
        finish(session, *ending(get_phases(self.db, run_id)))
        close_session(session)


@pytest.fixture
def earlier(
    tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Earlier]:
    folder = tmp_path / "earlier"
    folder.mkdir()
    rows = unpack(folder, empty_database_url)
    monkeypatch.setenv("AUTOPACK_HOME", str(folder / "home"))
    db = Database.open(empty_database_url, check_schema=False)
    db.upgrade()
    settings = Settings(folder / "home", empty_database_url)
    yield Earlier(db, settings, rows, folder / "project" / "repository")
    db.close()


def test_every_run_is_shown_as_it_was(earlier: Earlier) -> None:
    before = {row["run_id"]: row["state"] for row in earlier.rows["runs"]}
    assert {RunState(state) for state in before.values()} == set(RunState), "one in every state"
    assert {run.run_id: run.state for run in list_runs(earlier.db).rows} == before
    for run_id, state in before.items():
        shown = run_view(earlier.db, run_id)
        assert (shown["state"], shown["tokens"]["total"] or 0) == (state, earlier.spent(run_id))
    assert check(earlier.db) == []


def test_every_run_that_had_not_ended_goes_on_and_sums_are_equal(earlier: Earlier) -> None:
    assert abandoned_here(earlier.db) == ["created", "started", "built"]
    yes = Answer(approved=True, by="me")
    approve("waiting", yes, db=earlier.db, settings=earlier.settings, clock=SystemClock())
    for run_id in sorted(UNFINISHED):
        earlier.resume(run_id)
        run = get_run(earlier.db, run_id)
        branch = refs_in(earlier.repository, f"refs/heads/autopack/{run_id}")
        assert (run.state, run.failure_reason) == (RunState.DONE_SUCCESS, None)
        assert list(branch.values()) == [run.head_commit]

    states = {
        run_id: [one.state for one in get_attempts(earlier.db, run_id)] for run_id in UNFINISHED
    }
    passed, cut_off, failed = AttemptState.PASSED, AttemptState.INTERRUPTED, AttemptState.FAILED
    assert states["built"] == [passed, passed], "what was paid for is not built again"
    assert states["started"] == [passed, cut_off, passed]
    assert states["failed-attempt"] == [failed, passed, passed]
    built = {"created": 110, "started": 7 + 10, "built": 0, "failed-attempt": 110, "waiting": 10}
    for run_id, more in built.items():
        totals = token_totals(earlier.db, run_id)
        assert (totals.total, totals.unreconciled_calls) == (earlier.spent(run_id) + more, 0)
    assert check(earlier.db) == []


def test_every_run_that_had_not_ended_can_be_cancelled(earlier: Earlier) -> None:
    for run_id in sorted(UNFINISHED):
        cancel(run_id, db=earlier.db, settings=earlier.settings, clock=SystemClock())
        run = get_run(earlier.db, run_id)
        assert run.state is RunState.DONE_CANCELLED
        branch = refs_in(earlier.repository, f"refs/heads/autopack/{run_id}")
        assert list(branch.values()) == ([run.head_commit] if run.head_commit else [])
    assert token_totals(earlier.db, "started").total == earlier.spent("started") + 7
    assert check(earlier.db) == []
