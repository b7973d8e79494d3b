"""Where the next attempt of a phase begins, and what its builder is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from autopack.model.causes import POLICIES, FailureCause
from autopack.model.states import AttemptState
from autopack.runs.attempt.start import HINT_BYTES, Start, starting_point
from autopack.store.rows import AttemptRow

HEAD, TREE = "a" * 40, "b" * 40


def attempt(number: int = 1, state: AttemptState = AttemptState.FAILED, **more: Any) -> AttemptRow:
    values: dict[str, Any] = {
        "run_id": "r",
        "phase_id": "p",
        "attempt": number,
        "revision": 0,
        "state": state,
        "base_commit": HEAD,
        "commit": TREE,
        "builder": "script",
        "recorded_build": number,
        "hint": None,
        "build_status": "ended",
        "exit_status": 0,
        "summary": "",
        "changed_paths": (),
        "failure_cause": "validation_failed",
        "failure_message": "`pytest` exited with 1",
        "failure_output": "E  assert 1 == 2",
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "built_at": None,
        "finished_at": None,
    }
    return AttemptRow(**values | more)


def test_the_first_attempt_starts_from_the_branch_without_a_hint() -> None:
    assert starting_point([], HEAD) == Start(HEAD, None)


def test_attempts_that_were_cut_off_teach_nothing() -> None:
    cut_off = attempt(state=AttemptState.INTERRUPTED, failure_cause=None)
    assert starting_point([cut_off, cut_off], HEAD) == Start(HEAD, None)


def test_the_last_failure_is_told_with_its_real_output() -> None:
    hint = starting_point([attempt(3)], HEAD).hint
    assert hint == (
        "Attempt 3 failed (validation_failed): `pytest` exited with 1\n\nE  assert 1 == 2\n\n"
        "[the full output: spool/p/3/validation.log]"
    )


def test_only_the_last_failure_counts() -> None:
    first = attempt(1, commit="1" * 40, failure_output="first")
    second = attempt(2, commit="2" * 40, failure_output="second")
    start = starting_point([first, second], HEAD)
    assert start.commit == "2" * 40
    assert "second" in (start.hint or "")
    assert "first" not in (start.hint or "")


def test_an_interruption_after_a_failure_does_not_hide_it() -> None:
    later = attempt(2, AttemptState.INTERRUPTED, commit=None, failure_cause=None)
    start = starting_point([attempt(1), later], HEAD)
    assert start.commit == TREE
    assert "Attempt 1 failed" in (start.hint or "")


@pytest.mark.parametrize("cause", FailureCause)
@pytest.mark.parametrize("decided", [True, False])
def test_the_tree_is_kept_where_it_was_decided(cause: FailureCause, decided: bool) -> None:
    start = starting_point([attempt(failure_cause=cause.value, keeps_work=decided)], HEAD)
    assert start.commit == (TREE if decided else HEAD)


@pytest.mark.parametrize("cause", FailureCause)
def test_of_an_attempt_of_an_earlier_version_the_tree_is_kept_as_the_policy_says(
    cause: FailureCause,
) -> None:
    start = starting_point([attempt(failure_cause=cause.value)], HEAD)
    assert start.commit == (TREE if POLICIES[cause].keeps_work else HEAD)
    said = "a reviewer rejected it" if POLICIES[cause].opinion else cause.value
    assert said in (start.hint or "")


def test_a_failure_without_a_commit_starts_from_the_branch() -> None:
    assert starting_point([attempt(commit=None)], HEAD).commit == HEAD


def test_a_failure_without_output_is_one_line() -> None:
    hint = starting_point([attempt(failure_output=None)], HEAD).hint
    assert hint == "Attempt 1 failed (validation_failed): `pytest` exited with 1"


def test_of_a_long_output_the_informative_part_is_told() -> None:
    output = "E   ValueError: first\n" + "step\n" * HINT_BYTES + "E   KeyError: last\n"
    hint = starting_point([attempt(failure_output=output)], HEAD).hint or ""
    assert hint.index("ValueError: first") < hint.index("KeyError: last")
    assert hint.count("step") < 50
    assert len(hint) < HINT_BYTES + 150


def test_the_hint_is_bounded_in_bytes() -> None:
    hint = starting_point([attempt(failure_output="😀" * HINT_BYTES)], HEAD).hint or ""
    assert len(hint.encode()) < HINT_BYTES + 150
