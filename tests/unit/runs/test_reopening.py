"""A run that ended for its environment continues when it is resumed; no other run does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, make_project
from support.runs import carry_out

from autopack.clock import SystemClock
from autopack.model.errors import Refused
from autopack.model.states import RunState
from autopack.runs.finish.finish import finish
from autopack.runs.session.opening import (
    Given,
    close_session,
    open_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts, get_ending, get_run
from autopack.views.run_view import run_view

ENVIRONMENT = RunState.DONE_FAILED_ENVIRONMENT


def a(n: int) -> dict[str, Any]:
    return {"files": {f"n{n}.txt": "x"}}


@pytest.fixture
def resume(database: Database, settings: Settings) -> Callable[[], RunSession]:
    return lambda: open_session(
        "r", db=database, settings=settings, clock=SystemClock(), given=Given(reopen=True)
    )


async def end(session: RunSession) -> None:
    await carry_out(session)
    ending = get_ending(session.db, "r") or (RunState.DONE_SUCCESS, None)
    finish(session, *ending)
    close_session(session)


def make(tmp_path: Path, *builds: list[dict[str, Any]], validate: str) -> Project:
    return make_project(
        tmp_path / "project",
        {"one": list(builds), "two": [[a(3)]]},
        phase={"validate": [validate]},
    )


async def test_it_continues_with_the_work_it_had(
    tmp_path: Path,
    database: Database,
    store: Any,
    open_run: Any,
    resume: Callable[[], RunSession],
) -> None:
    tool = tmp_path / "tool.sh"
    session = open_run(store(make(tmp_path, [a(1)], [a(2)], validate=f"sh -c '{tool}; exit $?'")))
    await end(session)
    ended = get_run(database, "r")
    assert ended.state is ENVIRONMENT
    assert ended.finished_at is not None
    with pytest.raises(Refused):
        open_run("r")

    tool.write_text("#!/bin/sh\ntest -f n1.txt || test -f n3.txt\n")
    tool.chmod(0o755)
    session = resume()
    assert get_run(database, "r").state is RunState.PHASE_EXECUTION
    assert get_run(database, "r").finished_at is None
    assert get_ending(database, "r") is None
    await end(session)
    view = run_view(database, "r")
    assert view["state"] == "DONE_SUCCESS"
    kinds = [decision["kind"] for decision in view["phases"][0]["decisions"]]
    assert kinds == ["stop", "reopen", "complete"]
    # its second build went on from the first one's tree, and was told why that failed
    second = get_attempts(database, "r", "one")[1]
    assert second.hint is not None
    assert "environment" in second.hint
    names = session.mirror.git.run("ls-tree", "--name-only", view["head_commit"]).split()
    assert {"n1.txt", "n2.txt", "n3.txt"} <= set(names)


async def test_it_may_end_so_again(
    tmp_path: Path, store: Any, open_run: Any, resume: Callable[[], RunSession]
) -> None:
    session = open_run(store(make(tmp_path, [a(1)], [a(2)], validate="no-such-program-here")))
    await end(session)
    for _ in range(2):
        session = resume()
        await end(session)
        assert get_run(session.db, "r").state is ENVIRONMENT


async def test_another_end_is_final(
    tmp_path: Path, store: Any, open_run: Any, resume: Callable[[], RunSession]
) -> None:
    session = open_run(store(make(tmp_path, *[[a(n)] for n in range(1, 6)], validate="false")))
    await end(session)
    with pytest.raises(Refused, match="REQUIRES_HUMAN_REVIEW"):
        resume()
