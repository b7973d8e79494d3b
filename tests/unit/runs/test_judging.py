"""What an attempt is judged by: content, scope, deliverables and checks, in this order."""

from __future__ import annotations

from typing import Any

import pytest
from support.attempts import built_by
from support.building import made
from support.phases import BROKEN, WEIRD_NAME, build, state_of, write
from support.projects import call
from support.runs import conclude

from autopack.agents.command.agent import CommandBuilder
from autopack.model.causes import FailureCause as Cause
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.repair.decide import Decision
from autopack.repair.facts import RepairState
from autopack.runs import attempt as steps
from autopack.runs.repair.gather_facts import next_step
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.store.runs import get_attempts, get_decisions
from autopack.views.run_view import run_view
from autopack.workspace.workspace import Workspace
from deployments.cli.shared.output import found_by_judging

# what the phase asks for, what the builder does, how that is judged
JUDGED = [
    # all is well
    ({}, [write(a="1")], None, ""),
    ({"scope": {"paths": ["src/"]}}, [write(**{"src/a": "1"})], None, ""),
    ({"deliverables": ["a"]}, [write(a="1")], None, ""),
    # nothing changed: the checks say whether anything had to
    ({}, [call(1)], None, ""),
    ({"validate": ["false"]}, [call(1)], Cause.EMPTY_CHANGE, "`false` exited with 1"),
    # nothing changed, and something was to be delivered
    ({"deliverables": ["README.md"]}, [call(1)], Cause.EMPTY_CHANGE, "README.md"),
    # scope
    ({"scope": {"paths": ["src/"]}}, [write(a="1")], Cause.OUT_OF_SCOPE, "a: "),
    (
        {"scope": {"read_only": ["README.md"]}},
        [write(**{"README.md": "x"})],
        Cause.OUT_OF_SCOPE,
        "",
    ),
    ({"scope": {"paths": ["src/"]}}, [write(**{"README.md": None})], Cause.OUT_OF_SCOPE, ""),
    ({"scope": {"paths": ["src/"]}}, [{"patch": WEIRD_NAME}], Cause.OUT_OF_SCOPE, "\\xff"),
    # deliverables
    ({"deliverables": ["b"]}, [write(a="1")], Cause.DELIVERABLE_MISSING, "not delivered: b"),
    (
        {"deliverables": ["README.md"]},
        [write(**{"README.md": None})],
        Cause.DELIVERABLE_MISSING,
        "",
    ),
    # scope comes first, then deliverables, then checks
    (
        {"scope": {"paths": ["src/"]}, "deliverables": ["b"], "validate": ["false"]},
        [write(a="1")],
        Cause.OUT_OF_SCOPE,
        "",
    ),
    (
        {"deliverables": ["b"], "validate": ["false"]},
        [write(a="1")],
        Cause.DELIVERABLE_MISSING,
        "",
    ),
    # checks
    ({"validate": ["true", "false"]}, [write(a="1")], Cause.VALIDATION_FAILED, "`false`"),
    ({"validate": ["no-such-program"]}, [write(a="1")], Cause.ENVIRONMENT, "127"),
    # a missing program of the repository's own is not the machine's fault
    ({"validate": ["./missing"]}, [write(a="1")], Cause.RUNTIME_ERROR, "127"),
    # what the output says
    (
        {"validate": [["sh", "-c", "echo 'E   AssertionError: no'; echo FAILED t.py::a; exit 1"]]},
        [write(a="1")],
        Cause.ASSERTION_FAILURE,
        "",
    ),
    ({"validate": ["python3 a.py"]}, [write(**{"a.py": "x ="})], Cause.SYNTAX_ERROR, ""),
    ({"validate": ["false"]}, [write(a="<<<<<<< ours\n")], Cause.PATCH_CONFLICT, ""),
    (
        {"validate": ["sleep 60"], "budget": {"minutes": 0.02}},
        [write(a="1")],
        Cause.TIMEOUT,
        "did not end in time",
    ),
    # the build itself
    ({"budget": {"minutes": 0.002}}, [{"delay": 60}], Cause.TIMEOUT, "the build ran out of time"),
    (
        {"budget": {"minutes": 0.02}, "validate": ["true"]},
        [write(a="1"), {"delay": 60}],
        None,
        "",
    ),
]


@pytest.mark.parametrize(("phase", "recorded", "cause", "words"), JUDGED)
async def test_an_attempt_is_judged(
    phase: dict[str, Any],
    recorded: list[dict[str, Any]],
    cause: Cause | None,
    words: str,
    open_phase: Any,
) -> None:
    session = await open_phase(recorded, **phase)
    number = await build(session)

    failure = await steps.validate(session, AttemptKey("r", "one", number))

    assert (failure and failure.cause) == cause, failure
    if failure is not None:
        assert words in failure.message
        conclude(session, "one", number, failure)
        assert get_attempts(session.db, "r")[0].failure_cause == failure.cause


async def test_a_name_that_is_not_text_is_kept_as_one_can_read_it(open_phase: Any) -> None:
    session = await open_phase([{"patch": WEIRD_NAME}])
    await build(session)
    assert get_attempts(session.db, "r")[0].changed_paths == ("\\xff",)


async def test_that_a_build_came_to_a_limit_is_kept_whatever_becomes_of_its_work(
    open_phase: Any,
) -> None:
    session = await open_phase([])
    built_by(session, made(CommandBuilder, template="touch 1 2 3 4 5 6 7 8 9", max_files="8"))
    number = await build(session)

    assert await steps.validate(session, AttemptKey("r", "one", number)) is None
    (decision,) = get_decisions(session.db, "r")
    assert (decision.kind, decision.reason) == ("build_failed", "ended: it left more than 8 files")


async def test_a_build_that_falls_silent_ran_out_of_time_and_says_how(open_phase: Any) -> None:
    session = await open_phase([])
    built_by(session, made(CommandBuilder, template="sleep 60", stall="0.5"))
    number = await build(session)

    failure = await steps.validate(session, AttemptKey("r", "one", number))
    assert failure is not None
    assert failure.cause is Cause.TIMEOUT
    assert failure.message == "the build was silent for 0.5 s and changed nothing"


async def test_a_builder_that_could_not_work_is_to_blame_for_an_empty_change(
    open_phase: Any,
) -> None:
    session = await open_phase([call(1)], deliverables=["a"])
    conclude(session, "one", await build(session), BROKEN)
    # The recording ends here.
    failure = await steps.validate(session, AttemptKey("r", "one", await build(session)))
    assert failure is not None
    assert failure.cause is Cause.BUILDER_ERROR
    assert "has 1 builds" in failure.message


async def test_a_check_sees_the_marks_and_not_the_keys(
    open_phase: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    check = 'test "$AUTOPACK_RUN" = r -a "$AUTOPACK_ATTEMPT" = one/1 -a -z "$ANTHROPIC_API_KEY"'
    session = await open_phase([write(a="1")], validate=[["sh", "-c", check]])
    assert await steps.validate(session, AttemptKey("r", "one", await build(session))) is None


@pytest.mark.parametrize(("recorded", "unchanged"), [([call(1)], True), ([write(a="1")], False)])
async def test_a_phase_that_is_complete_without_a_change_says_so(
    recorded: list[dict[str, Any]], unchanged: bool, open_phase: Any
) -> None:
    session = await open_phase(recorded)
    key = AttemptKey("r", "one", await build(session))
    assert run_view(session.db, "r")["phases"][0]["unchanged"] is None
    assert await steps.validate(session, key) is None
    decision = next_step(session, key, RepairState.of(None))
    assert isinstance(decision, Decision)
    assert ("nothing was changed" in decision.reason) is unchanged
    steps.conclude(session, key, None, decision)
    view = run_view(session.db, "r")
    assert view["phases"][0]["unchanged"] is unchanged
    told = ["one: nothing was changed, its checks pass as they are"]
    assert found_by_judging(view) == (told if unchanged else [])


MISPLACED = ["go.work", "pytest.ini", "package.json", "node_modules/a/index.js", ".eslintrc", "x/y"]


@pytest.mark.parametrize("above", [".", ".."])
async def test_what_a_build_left_above_its_worktree_is_gone(open_phase: Any, above: str) -> None:
    """Tools look for settings and packages in the folders above as well."""
    misplaced = MISPLACED if above == "." else MISPLACED[:-1]
    tests = " || ".join(f"test -e ../{above}/{name}" for name in misplaced)
    session = await open_phase([write(a="1")], validate=[["sh", "-c", f"! ({tests})"]])
    number = await build(session)
    for name in misplaced:
        place = session.workspace.path.parent / above / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("x")
    other = Workspace.create(
        session.mirror, session.workspace.path.with_name("000009"), session.head()
    )

    assert await steps.validate(session, AttemptKey("r", "one", number)) is None

    assert other.path.is_dir(), "the checkout of a holder that may still be alive"


async def test_a_run_that_was_stopped_begins_no_check(open_phase: Any) -> None:
    session = await open_phase([write(a="1")], validate=[["sh", "-c", "touch ../ran"]])
    number = await build(session)
    session.switch.stop(StopReason.CANCELLED, "cancelled")
    with pytest.raises(RunStopped):
        await steps.validate(session, AttemptKey("r", "one", number))
    assert not (session.workspace.path.parent / "ran").exists()
    assert state_of(session)[0] == [AttemptState.BUILT]
