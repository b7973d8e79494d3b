"""Meeting a known failure: what helps becomes the attempt's work, what does not is undone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import git, make_project
from support.runs import repair

from autopack.model.causes import Failure, FailureCause
from autopack.model.ids import AttemptKey
from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.repair import apply_proposal
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.store.mitigations import get_mitigations
from autopack.store.runs import get_attempts, get_decisions

SCRIPT = "#!/bin/sh\nexit 0\n"


@pytest.fixture
async def built(tmp_path: Path, store: Callable[..., str], open_run: Callable[[str], RunSession]):
    """Opens a run whose one phase was built with the given files; returns how it is judged."""

    async def building(files: dict[str, str | None], **phase: Any) -> tuple[RunSession, Failure]:
        project = make_project(
            tmp_path / "p",
            {"one": [[{"files": files}]]},
            phase=phase,
            plan={"features": ["failure_hardening"]},
        )
        session = open_run(store(project))
        session.environment = await prepare_environment(session)
        started = steps.begin(session, "one")
        assert not isinstance(started, Decision)
        await steps.build(session, started.key)
        failure = await steps.validate(session, AttemptKey("r", "one", 1))
        assert failure is not None
        return session, failure

    return building


async def met(session: RunSession, failure: Failure) -> Failure | None:
    """Meet the failure as far as patterns go; return what is left of it."""
    state, _ = await repair(session, "one", 1, failure)
    return state.failure


def ref_of(session: RunSession) -> str | None:
    return session.mirror.read_ref(session.mirror.attempt_ref(AttemptKey("r", "one", 1)))


def row_of(session: RunSession) -> dict[str, Any]:
    (row,) = get_mitigations(session.db, "r")
    return dict(row)


async def test_what_helps_is_the_attempts_commit(built: Any) -> None:
    session, failure = await built({"run.sh": SCRIPT}, validate=["./run.sh"])
    (before,) = get_attempts(session.db, "r")

    assert await met(session, failure) is None

    (after,) = get_attempts(session.db, "r")
    assert after.commit != before.commit
    assert after.commit == ref_of(session)
    listed = git(session.mirror.git_dir, "ls-tree", after.commit or "", "run.sh")
    assert listed.startswith("100755")
    fixed_by = "--format=%(trailers:key=Autopack-Mitigation,valueonly)"
    said = git(session.mirror.git_dir, "log", "-1", fixed_by, after.commit or "")
    assert said.strip() == row_of(session)["pattern_id"] == "permission_error"
    row = row_of(session)
    assert row["actions_taken"] == ["made run.sh readable and executable"]
    assert [decision.kind for decision in get_decisions(session.db, "r")] == ["mitigate"]


async def test_strays_are_reverted_and_the_rest_is_kept(built: Any) -> None:
    session, failure = await built(
        {"src/a": "1", "stray/deep/b": "1", "README.md": "changed"}, scope={"paths": ["src/"]}
    )
    assert failure.cause is FailureCause.OUT_OF_SCOPE
    assert await met(session, failure) is None
    (attempt,) = get_attempts(session.db, "r")
    assert attempt.changed_paths == ("src/a",)
    assert not (session.workspace.path / "stray").exists()
    assert (session.workspace.path / "README.md").read_text() == "hello\n"


async def test_reverting_everything_is_no_help(built: Any) -> None:
    session, failure = await built({"stray": "1"}, scope={"paths": ["src/"]})
    assert await met(session, failure) == failure
    (row,) = get_mitigations(session.db, "r")
    assert (row["success"], row["fixed"], row["actions_taken"]) == (False, False, [])


async def test_permissions_that_do_not_help_are_taken_back(built: Any) -> None:
    check = ["sh", "-c", "./run.sh; echo 'sh: 1: ./run.sh: Permission denied'; exit 126"]
    session, failure = await built({"run.sh": SCRIPT}, validate=[check])
    before = ref_of(session)
    assert await met(session, failure) == failure
    (row,) = get_mitigations(session.db, "r")
    assert (row["success"], row["fixed"]) == (True, False)
    assert ref_of(session) == before == get_attempts(session.db, "r")[0].commit
    assert (session.workspace.path / "run.sh").stat().st_mode & 0o100 == 0


async def test_a_failure_nobody_knows_is_left_alone(built: Any) -> None:
    session, failure = await built({"a": "1"}, validate=["false"])
    assert await met(session, failure) == failure
    assert get_mitigations(session.db, "r") == []


async def test_a_run_that_is_stopped_meanwhile_has_the_attempt_as_it_was_built(
    built: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ["sh", "-c", "test -x run.sh && sleep 60; ./run.sh"]
    session, failure = await built({"run.sh": SCRIPT}, validate=[check])
    before = ref_of(session)
    script = session.workspace.path / "run.sh"
    task = asyncio.create_task(met(session, failure))
    while not task.done() and not os.access(script, os.X_OK):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    session.switch.stop(StopReason.INTERRUPTED, "interrupted")
    with pytest.raises(RunStopped):
        await task
    assert ref_of(session) == before
    assert get_mitigations(session.db, "r") == []


async def test_a_ref_that_a_dead_process_moved_is_put_back(built: Any) -> None:
    session, failure = await built({"run.sh": SCRIPT}, validate=["./run.sh"])
    ref = session.mirror.attempt_ref(AttemptKey("r", "one", 1))
    session.mirror.set_ref(ref, session.run().base_commit, old=ref_of(session))
    assert await met(session, failure) is None
    assert ref_of(session) == get_attempts(session.db, "r")[0].commit


async def test_installs_of_a_dead_process_are_undone_before_anything_else(built: Any) -> None:
    session, _ = await built({"a": "1"}, validate=["false"])
    environment = session.tools.root
    environment.mkdir(exist_ok=True)
    apply_proposal.Savepoint.make(session.folder / "before-mitigation", [environment])
    (environment / "added").write_text("half installed")
    await prepare_environment(session)
    assert not (environment / "added").exists()
