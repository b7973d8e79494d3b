"""An attempt whose spool lies in another home: nothing of it is lost, nothing is counted twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import call

from autopack.files.home_id import home_id
from autopack.ledger.events.usage_events import token_totals
from autopack.model.errors import RepositoryError
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.runs.reconcile.reconcile import abandoned_here
from autopack.runs.session.takeover import recover
from autopack.runs.spools.late_usage import count_returned
from autopack.runs.spools.record_build import BuildRecorder
from autopack.runs.stored_run import source_of
from autopack.secrecy.redaction import Redactor
from autopack.store import tables
from autopack.store.runs import (
    AttemptRow,
    Built,
    finish_build,
    get_attempts,
    move_phase,
    start_attempt,
)


@pytest.fixture
def attempt(ground: Any) -> AttemptRow:
    """An attempt of the home ``there``, which spent 30 and 12 tokens before it was cut off."""

    def write(conn: Any) -> AttemptRow:
        move_phase(conn, ground.lease, "one", PhaseState.EXECUTING)
        return start_attempt(
            conn,
            ground.lease,
            "one",
            base_commit=ground.run.base_commit,
            builder="script",
            hint=None,
            home="there",
        )

    started = ground.db.transact(write)
    lines = [json.dumps(call(total)) + "\n" for total in (30, 12)]
    (ground.spool(started) / "builder.out").write_text("".join(lines))
    return started


def recover_at(ground: Any, home: str) -> None:
    recorder = BuildRecorder(ground.db, ground.lease, ground.builder_of, ground.folder, Redactor())
    recover(recorder, run=ground.run, mirror=ground.mirror, home=home)


def returned(ground: Any, home: str) -> int:
    (ground.settings.home / "home-id").write_text(home)
    return count_returned(ground.db, ground.settings, environ={})


def spent(ground: Any) -> tuple[int, int]:
    totals = token_totals(ground.db, "r")
    return totals.total, totals.unreconciled_calls


def test_elsewhere_it_is_interrupted_and_its_spend_is_not_known(
    ground: Any, attempt: AttemptRow
) -> None:
    recover_at(ground, "here")
    assert ground.attempts()[0].state is AttemptState.INTERRUPTED
    assert spent(ground) == (0, 1)


def test_its_own_home_counts_it_when_it_comes_back_and_only_once(
    ground: Any, attempt: AttemptRow
) -> None:
    recover_at(ground, "here")
    assert [returned(ground, "there"), returned(ground, "there")] == [2, 0]
    assert spent(ground) == (42, 0)


def test_what_cannot_be_read_now_waits(ground: Any, attempt: AttemptRow) -> None:
    recover_at(ground, "here")
    recording = Path(ground.run.builder_options["recording"])
    recording.rename(recording.with_name("away"))
    assert returned(ground, "there") == 0
    recording.with_name("away").rename(recording)
    assert returned(ground, "there") == 2


def test_another_home_leaves_it_alone(ground: Any, attempt: AttemptRow) -> None:
    recover_at(ground, "here")
    assert returned(ground, "here") == 0
    assert spent(ground) == (0, 1)


def test_one_that_is_still_under_way_is_left_alone(ground: Any, attempt: AttemptRow) -> None:
    assert returned(ground, "there") == 0


def test_a_build_whose_commit_never_left_its_machine_is_built_again(
    ground: Any, attempt: AttemptRow
) -> None:
    ground.db.transact(
        lambda conn: finish_build(
            conn,
            ground.lease,
            AttemptKey("r", "one", 1),
            Built(
                commit="f" * 40,
                build_status="ended",
                exit_status=0,
                summary="",
                changed_paths=[],
            ),
        )
    )
    recover_at(ground, "here")
    (found,) = get_attempts(ground.db, "r", "one")
    assert found.state is AttemptState.FAILED
    assert "never pushed" in (found.failure_message or "")
    assert ground.phase().state is PhaseState.QUEUED


def test_a_home_keeps_its_id(tmp_path: Path) -> None:
    first = home_id(tmp_path)
    assert len(first) == 32
    assert home_id(tmp_path) == first
    assert [one.name for one in tmp_path.iterdir()] == ["home-id"]


def test_a_repository_that_is_not_on_this_machine_is_asked_for(ground: Any, tmp_path: Path) -> None:
    run = ground.run
    Path(run.repo).rename(tmp_path / "moved")
    with pytest.raises(RepositoryError) as refused:
        source_of(run)
    assert "--repo" in (refused.value.hint or "")
    assert source_of(run, str(tmp_path / "moved")).location == str(tmp_path / "moved")


def test_reconciling_leaves_a_run_to_a_machine_that_has_its_repository(
    ground: Any, tmp_path: Path
) -> None:
    def fall_silent(conn: Any) -> None:
        conn.execute(sa.update(tables.runs).values(state=RunState.PHASE_EXECUTION))
        conn.execute(sa.update(tables.leases).values(expires_at=datetime(2020, 1, 1, tzinfo=UTC)))

    ground.db.transact(fall_silent)
    assert abandoned_here(ground.db) == ["r"]
    Path(ground.run.repo).rename(tmp_path / "moved")
    assert abandoned_here(ground.db) == []
