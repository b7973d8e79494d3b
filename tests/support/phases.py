"""A run of one phase, opened by a test, and what stands of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autopack.model.causes import Failure
from autopack.model.causes import FailureCause as Cause
from autopack.model.states import AttemptState, PhaseState
from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from autopack.store.runs import get_attempts, get_phases
from support.projects import make_project

BROKEN = Failure(Cause.VALIDATION_FAILED, "`pytest` exited with 1", "E  assert 1 == 2")


WEIRD_NAME = (
    'diff --git "a/\\377" "b/\\377"\nnew file mode 100644\n'
    '--- /dev/null\n+++ "b/\\377"\n@@ -0,0 +1 @@\n+x\n'
)


def write(**files: str | None) -> dict[str, Any]:
    return {"files": files}


@pytest.fixture
async def open_phase(
    tmp_path: Path, store: Callable[..., str], open_run: Callable[[str], RunSession]
):
    """Opens a run whose one phase has the given builds, its environment prepared."""

    async def opening(*builds: list[dict[str, Any]], plan: Any = None, **phase: Any) -> RunSession:
        project = make_project(tmp_path / "p", {"one": list(builds)}, plan=plan, phase=phase)
        session = open_run(store(project))
        session.environment = await prepare_environment(session)
        return session

    return opening


def state_of(session: RunSession) -> tuple[list[AttemptState], PhaseState]:
    attempts = get_attempts(session.db, "r", "one")
    return [attempt.state for attempt in attempts], get_phases(session.db, "r")[0].state


async def build(session: RunSession) -> int:
    """Start an attempt and have it built; return its number."""
    started = steps.begin(session, "one")
    assert not isinstance(started, Decision)
    await steps.build(session, started.key)
    return started.attempt


def files_in(session: RunSession) -> set[str]:
    return {path.name for path in session.workspace.path.iterdir()} - {".git"}
