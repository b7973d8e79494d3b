"""A run whose worktree an agent of a test changes, and the judgement of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autopack.model.causes import Failure
from autopack.repair.decide import Decision
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from support.projects import make_project
from support.runs import conclude

FILES = {
    "README.md": "hello\n",
    ".gitignore": "/lib/\n.env\n/node_modules/\n",
    "calc.py": "def add(a, b): return a - b\n",
    "test/fixtures/node_modules/a/index.js": "1\n",
}


Act = Callable[[RunSession], None]


@pytest.fixture
async def opened(tmp_path: Path, store: Callable[..., str], open_run: Callable[[str], RunSession]):
    """Opens a run of one or two phases whose builds add a file each; setup as the plan has it."""

    async def opening(
        *, check: str, phases: tuple[str, ...] = ("one",), plan: Any = None, **phase: Any
    ) -> RunSession:
        builds = {name: [[{"files": {f"{name}-{n}": "1"}}] for n in range(3)] for name in phases}
        project = make_project(
            tmp_path / "p",
            builds,
            files=FILES,
            plan=plan,
            phase={"validate": [["sh", "-c", check]]} | phase,
        )
        session = open_run(store(project))
        session.environment = await prepare_environment(session)
        return session

    return opening


async def judged(session: RunSession, act: Act, phase: str = "one") -> Failure | None:
    """What is wrong with an attempt whose agent acted like this."""
    started = steps.begin(session, phase)
    assert not isinstance(started, Decision)
    act(session)
    await steps.build(session, started.key)
    failure = await steps.validate(session, started.key)
    conclude(session, phase, started.attempt, failure)
    return failure


def writes(**files: str) -> Act:
    def act(session: RunSession) -> None:
        for name, text in files.items():
            path = session.workspace.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return act


IMPORTS = f"{sys.executable} -c 'import calc; assert calc.add(1, 2) == 3'"


SETUP = [["sh", "-c", "mkdir -p node_modules/dep lib && cp README.md node_modules/dep/index.js"]]
