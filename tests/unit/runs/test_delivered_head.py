"""What is delivered: the head passes in a fresh checkout, and changed tests are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.clean_rooms import judged, writes

from autopack.model.causes import FailureCause
from autopack.runs.finish.final_check import check_head
from autopack.store.runs import get_attempts, get_run


async def test_the_head_is_checked_once_more_in_a_fresh_checkout(opened: Any) -> None:
    session = await opened(check="test ! -f two-0 || test -f one-0", phases=("one", "two"))
    assert await check_head(session) is None
    assert get_run(session.db, "r").final_check is None
    assert await judged(session, writes()) is None
    assert await judged(session, writes(**{"one-0": "x"}), "two") is None

    assert await check_head(session) is None

    found = get_run(session.db, "r").final_check
    assert found is not None
    assert (found["passed"], found["environment"]) == (True, "fresh")
    assert found["commit"] == session.head()
    assert not (session.folder / "final").exists()


async def test_an_earlier_phases_check_that_a_later_phase_undid_is_told(opened: Any) -> None:
    session = await opened(check="test ! -f two-0 || ! test -f one-0", phases=("one", "two"))
    assert await judged(session, writes()) is None
    failure = await judged(session, lambda s: (s.workspace.path / "one-0").unlink(), "two")
    assert failure is None
    session.plan = session.plan.model_copy(
        update={
            "phases": (
                session.plan.phases[0].model_copy(update={"checks": (("test", "-f", "one-0"),)}),
                session.plan.phases[1],
            )
        }
    )
    assert await check_head(session) is None
    found = get_run(session.db, "r").final_check
    assert found is not None
    told = [{"phase_id": "one", "message": "`test -f one-0` exited with 1"}]
    assert (found["passed"], found["outdated"]) == (True, told)


async def test_a_head_that_passes_only_in_the_runs_worktree_is_not_delivered(
    opened: Any, tmp_path: Path
) -> None:
    session = await opened(check="test -f one-0", phases=("one", "two"))
    assert await judged(session, writes()) is None
    assert await judged(session, writes(), "two") is None
    here = ("test", str(session.workspace.path), "-ef", ".")
    phases = [
        phase.model_copy(update={"checks": (here,)}) if phase.id == "one" else phase
        for phase in session.plan.phases
    ]
    session.plan = session.plan.model_copy(update={"phases": tuple(phases)})

    wrong = await check_head(session)

    assert wrong is not None
    assert "fails a check of phase one in a fresh checkout" in wrong
    found = get_run(session.db, "r").final_check
    assert found is not None
    assert (found["passed"], found["phase_id"]) == (False, "one")


async def test_setup_that_works_only_once_is_not_the_heads_fault(
    opened: Any, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    setup = [["sh", "-c", f"mkdir {once} && mkdir -p node_modules && touch node_modules/x"]]
    session = await opened(check="test -f node_modules/x", plan={"setup": setup})
    assert await judged(session, writes()) is None
    assert await check_head(session) is None
    found = get_run(session.db, "r").final_check
    assert found is not None
    assert found["environment"] == "of the run"


async def test_changed_tests_are_told(opened: Any) -> None:
    session = await opened(check="true")
    assert await judged(session, writes(**{"tests/test_a.py": "1", "src.py": "1"})) is None
    (attempt,) = get_attempts(session.db, "r")
    assert attempt.changed_tests == [{"path": "tests/test_a.py", "status": "A", "kind": "test"}]


async def test_protected_tests_are_out_of_scope_unless_the_phase_names_them(opened: Any) -> None:
    plan = {"policy": {"tests": "protect"}}
    session = await opened(check="true", plan=plan, scope={"paths": ["one-*", "pytest.ini"]})
    act = writes(**{"pytest.ini": "[pytest]\n"})
    assert await judged(session, act) is None


async def test_protected_tests_are_out_of_scope(opened: Any) -> None:
    session = await opened(check="true", plan={"policy": {"tests": "protect"}})
    failure = await judged(session, writes(**{"conftest.py": "x = 1\n"}))
    assert failure is not None
    assert failure.cause is FailureCause.OUT_OF_SCOPE
    assert failure.message.startswith("outside the scope: conftest.py: ")
    assert await judged(session, writes(**{"calc.py": "x = 1\n"})) is None
