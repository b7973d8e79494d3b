"""With the sandbox, what a run keeps for itself is out of reach of what runs in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.projects import make_project

from autopack.process import sandbox
from autopack.repair.decide import Decision
from autopack.runs import attempt as attempts
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.opening import (
    close_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.settings import Settings
from autopack.store.folder_note import find_folder

OBSTACLE = sandbox.obstacle(os.environ)

pytestmark = pytest.mark.skipif(
    OBSTACLE is not None, reason=f"nothing was proved about confinement: {OBSTACLE}"
)


@pytest.fixture(autouse=True)
def confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sandbox.VARIABLE, "bwrap")


async def test_confined_programs_do_not_reach_autopacks_own_files(
    tmp_path: Path, store: Callable[..., str], open_run: Callable[..., RunSession]
) -> None:
    # A check looks at all that lies beside its worktree, and tries to change it.
    script = (
        "cd $(git rev-parse --show-toplevel)/../..; find . -type f -not -path './work/*';"
        "for f in environment/x spool/one/1/build.json environment.json work/x; do"
        " mkdir -p $(dirname $f) 2>/dev/null; (echo x > $f) 2>/dev/null; done; exit 1"
    )
    steps = [{"files": {"a": "1"}}]
    project = make_project(tmp_path, {"one": [steps]}, phase={"validate": [["sh", "-c", script]]})
    session = open_run(store(project))
    session.environment = await prepare_environment(session)
    started = attempts.begin(session, "one")
    assert not isinstance(started, Decision)
    await attempts.build(session, started.key)
    before = listing(session.folder)
    failure = await attempts.validate(session, started.key)
    assert failure is not None
    assert failure.output == ""
    new = listing(session.folder) - before
    assert new <= {"spool/one/1/validation.log", "spool/one/1/scratch"}
    assert not (session.workspace.path.parent / "x").exists()


async def test_what_installs_after_an_agent_is_confined(
    tmp_path: Path, store: Callable[..., str], open_run: Callable[..., RunSession],
    settings: Settings,
) -> None:  # fmt: skip
    marker = tmp_path / "outside"
    marker.mkdir()
    setup = [["sh", "-c", f"echo ran; touch {marker}/$(ls {marker} | wc -l); true"]]
    project = make_project(tmp_path, {"one": [[{"files": {"a": "1"}}]]}, plan={"setup": setup})
    run_id = store(project)
    session = open_run(run_id)
    session.environment = await prepare_environment(session)
    assert [path.name for path in marker.iterdir()] == ["0"]  # the user's own: unconfined
    started = attempts.begin(session, "one")
    assert not isinstance(started, Decision)
    await attempts.build(session, started.key)
    (find_folder(settings.home, session.db, run_id) / "environment.json").unlink()
    close_session(session)
    session = open_run(run_id)
    session.environment = await prepare_environment(session)
    assert (session.folder / "setup.log").read_text().count("ran\n") == 2
    assert [path.name for path in marker.iterdir()] == ["0"]


def listing(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if "work" not in path.relative_to(folder).parts
    }
