"""What a run's next holder makes of attempts that a death left open."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from typing import Any

import pytest
from support.projects import call

from autopack.agents.protocol import BuildResult, BuildStatus
from autopack.ledger.events.usage_events import token_totals
from autopack.model.errors import LeaseLost
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState
from autopack.runs.session.takeover import recover
from autopack.runs.spools.record_build import BuildRecorder
from autopack.runs.spools.spool import write_end
from autopack.secrecy.redaction import Redactor
from autopack.store.runs import (
    Built,
    Ended,
    finish_attempt,
    finish_build,
    get_decisions,
    move_phase,
)
from autopack.workspace.workspace import Workspace


def recover_run(ground: Any, **changes: Any) -> None:
    recorder = BuildRecorder(
        ground.db, changes.get("lease", ground.lease), ground.builder_of, ground.folder, Redactor()
    )
    recover(recorder, run=ground.run, mirror=ground.mirror, home="here")


def spend(ground: Any, attempt: Any, *totals: int, rest: str = "") -> None:
    """Have the attempt's builder spool calls of so many tokens, and then ``rest``."""
    lines = [json.dumps(call(total)) + "\n" for total in totals]
    (ground.spool(attempt) / "builder.out").write_text("".join(lines) + rest)


def state_of(ground: Any) -> tuple[list[AttemptState], PhaseState]:
    return [attempt.state for attempt in ground.attempts()], ground.phase().state


def test_an_attempt_that_had_not_begun_to_build_is_interrupted(ground: Any) -> None:
    ground.spool(ground.start())
    recover_run(ground)
    assert state_of(ground) == ([AttemptState.INTERRUPTED], PhaseState.QUEUED)
    assert token_totals(ground.db, "r").unreconciled_calls == 0


def test_what_a_spool_that_is_gone_had_to_tell_is_unknown(ground: Any) -> None:
    ground.start()
    recover_run(ground)
    assert state_of(ground) == ([AttemptState.INTERRUPTED], PhaseState.QUEUED)
    assert token_totals(ground.db, "r").unreconciled_calls == 1


def test_what_a_build_spent_before_it_was_cut_off_is_counted(ground: Any) -> None:
    spend(ground, ground.start(), 30, 12)
    recover_run(ground)
    totals = token_totals(ground.db, "r")
    assert state_of(ground) == ([AttemptState.INTERRUPTED], PhaseState.QUEUED)
    assert (totals.total, totals.events, totals.unreconciled_calls) == (42, 2, 0)


def test_half_a_line_of_the_spool_is_not_a_call(ground: Any) -> None:
    spend(ground, ground.start(), 30, rest='{"call": {"provider": "p", "tot')
    recover_run(ground)
    assert token_totals(ground.db, "r").total == 30


def test_a_build_that_ended_and_was_committed_is_built_and_not_paid_for_again(ground: Any) -> None:
    attempt = ground.start()
    spend(ground, attempt, 30)
    ground.note_end(attempt)
    commit = ground.commit(attempt, new="text\n")

    recover_run(ground)

    (found,) = ground.attempts()
    assert state_of(ground) == ([AttemptState.BUILT], PhaseState.EXECUTING)
    assert (found.commit, found.changed_paths) == (commit, ("new",))
    assert (found.build_status, found.exit_status, found.summary) == ("ended", 0, "all done")
    assert found.built_at is not None
    assert token_totals(ground.db, "r").total == 30


def left_behind(ground: Any, name: str = "000001") -> Workspace:
    """The checkout of the holder that died."""
    path = ground.folder / "work" / name
    return Workspace.create(ground.mirror, path, ground.run.base_commit)


@pytest.mark.parametrize("noted", [True, False], ids=["checkout noted", "the only checkout"])
def test_a_build_that_ended_is_committed_from_what_it_left(ground: Any, noted: bool) -> None:
    attempt = ground.start()
    spend(ground, attempt, 30)
    checkout = left_behind(ground)
    (checkout.path / "new").write_text("text\n")
    (checkout.path / "README.md").unlink()
    ended = BuildResult(BuildStatus.ENDED, 0, "all done")
    write_end(ground.spool(attempt), ended, checkout.path if noted else None)
    # What a process that is killed in the middle of `git add` leaves.
    (checkout.private / "index").write_bytes(b"half")
    (checkout.private / "index.lock").touch()

    recover_run(ground)

    (found,) = ground.attempts()
    assert state_of(ground) == ([AttemptState.BUILT], PhaseState.EXECUTING)
    assert found.changed_paths == ("README.md", "new")
    assert ground.mirror.paths(found.commit) == ("new",)
    assert (
        ground.mirror.read_ref(ground.mirror.attempt_ref(AttemptKey("r", "one", 1))) == found.commit
    )
    said = ground.mirror.git.run("log", "-1", "--format=%B", found.commit)
    assert said.startswith("one: attempt 1\n\ndo one\n\nAutopack-Run: r\nAutopack-Phase: one\n")
    assert token_totals(ground.db, "r").total == 30
    assert not list((ground.mirror.git_dir / "autopack-workspaces").glob("*/recovered"))


def test_the_checkout_of_another_holder_is_not_taken_for_the_builds(ground: Any) -> None:
    attempt = ground.start()
    left_behind(ground, "000002")
    (left_behind(ground, "000001").path / "new").write_text("text\n")
    worktree = ground.folder / "work" / "000001"
    write_end(ground.spool(attempt), BuildResult(BuildStatus.ENDED, 0, ""), worktree)
    recover_run(ground)
    assert ground.attempts()[0].changed_paths == ("new",)


@pytest.mark.parametrize("gone", ["checkout", "objects"])
def test_a_build_whose_work_cannot_be_had_says_why(ground: Any, gone: str) -> None:
    attempt = ground.start()
    checkout = left_behind(ground)
    write_end(ground.spool(attempt), BuildResult(BuildStatus.ENDED, 0, ""), checkout.path)
    if gone == "checkout":
        checkout.remove()
    else:
        shutil.rmtree(checkout.path)
        checkout.path.mkdir()
        os.mkfifo(checkout.path / "pipe")
        (checkout.path / ".git").mkdir()
        (ground.mirror.git_dir / "info" / "attributes").write_text("* filter=none\n")
        ground.mirror.git.run("config", "filter.none.required", "true")
        (checkout.path / "new").write_text("text\n")
    recover_run(ground)
    [decision] = get_decisions(ground.db, "r")
    if gone == "checkout":
        assert state_of(ground) == ([AttemptState.INTERRUPTED], PhaseState.QUEUED)
        assert decision.reason.startswith("the build ended, and its checkout is gone")
    else:
        # It was paid for, and buying it again would end the same way: judging fails it.
        assert state_of(ground) == ([AttemptState.BUILT], PhaseState.EXECUTING)
        assert decision.reason.startswith("what it made cannot be recorded: ")


def test_a_note_cut_off_while_it_was_written_is_no_end(ground: Any) -> None:
    attempt = ground.start()
    (ground.spool(attempt) / "build.json.part").write_text('{"status": "en')
    ground.commit(attempt, new="text\n")
    recover_run(ground)
    assert state_of(ground) == ([AttemptState.INTERRUPTED], PhaseState.QUEUED)


def test_a_built_attempt_stays_as_it_is(ground: Any) -> None:
    attempt = ground.start()
    commit = ground.commit(attempt, new="text\n")
    ground.db.transact(
        lambda conn: finish_build(
            conn,
            ground.lease,
            AttemptKey("r", "one", 1),
            Built(
                commit=commit,
                build_status="ended",
                exit_status=0,
                summary="",
                changed_paths=["new"],
            ),
        )
    )
    before = ground.attempts()
    recover_run(ground)
    assert ground.attempts() == before
    assert ground.phase().state is PhaseState.EXECUTING


def test_a_phase_whose_holder_died_before_its_first_attempt_is_queued(ground: Any) -> None:
    ground.db.transact(lambda conn: move_phase(conn, ground.lease, "one", PhaseState.EXECUTING))
    recover_run(ground)
    assert state_of(ground) == ([], PhaseState.QUEUED)


def test_a_phase_whose_holder_died_between_two_attempts_is_queued(ground: Any) -> None:
    ground.start()
    ground.db.transact(
        lambda conn: finish_attempt(
            conn,
            ground.lease,
            AttemptKey("r", "one", 1),
            Ended(state=AttemptState.FAILED, failure_cause="timeout"),
        )
    )
    recover_run(ground)
    assert state_of(ground) == ([AttemptState.FAILED], PhaseState.QUEUED)


def test_an_interrupted_attempt_keeps_its_number_and_uses_up_no_build(ground: Any) -> None:
    ground.start()
    recover_run(ground)
    again = ground.start()
    assert (again.attempt, again.recorded_build) == (2, 1)


def test_recovering_again_changes_nothing(ground: Any) -> None:
    spend(ground, ground.start(), 30)
    recover_run(ground)
    before = ground.attempts(), ground.phase(), token_totals(ground.db, "r")
    recover_run(ground)
    assert (ground.attempts(), ground.phase(), token_totals(ground.db, "r")) == before


def test_what_the_dead_holder_had_recorded_already_is_not_counted_twice(ground: Any) -> None:
    attempt = ground.start()
    spend(ground, attempt, 30)
    recover_run(ground)
    spend(ground, attempt, 30, 5)
    second = ground.start()
    spend(ground, second, 7)
    recover_run(ground)
    assert token_totals(ground.db, "r").total == 37


def test_a_phase_that_is_complete_is_left_alone(ground: Any) -> None:
    ground.start()

    def complete(conn: Any) -> None:
        finish_build(
            conn,
            ground.lease,
            AttemptKey("r", "one", 1),
            Built(
                commit="c" * 40,
                build_status="ended",
                exit_status=0,
                summary="",
                changed_paths=[],
            ),
        )
        finish_attempt(
            conn, ground.lease, AttemptKey("r", "one", 1), Ended(state=AttemptState.PASSED)
        )
        move_phase(conn, ground.lease, "one", PhaseState.COMPLETE, commit="c" * 40)

    ground.db.transact(complete)
    before = ground.phase()
    recover_run(ground)
    assert ground.phase() == before


def test_a_process_that_no_longer_holds_the_run_recovers_nothing(ground: Any) -> None:
    spend(ground, ground.start(), 30)
    with pytest.raises(LeaseLost):
        recover_run(ground, lease=replace(ground.lease, token=0))
    assert state_of(ground) == ([AttemptState.STARTED], PhaseState.EXECUTING)
    assert token_totals(ground.db, "r").total == 0
