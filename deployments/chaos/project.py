"""What the runs of chaos do: a small repository, a plan, and an agent that costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from autopack.clock import SystemClock
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.workspace.git import Git

_PHASES = 3
_SPEC = {"success": 1, "calls": 3, "seconds": {"uniform": [0.1, 0.4]}}


def prepare_runs(folder: Path, number: int, *, db: Database, settings: Settings) -> list[str]:
    """Store so many runs, each with a seed of its own; return their ids."""
    repository = folder / "repository"
    _make_repository(repository)
    plan, spec = folder / "plan.yaml", folder / "spec.yaml"
    plan.write_text(yaml.safe_dump(_plan()), encoding="utf-8")
    spec.write_text(yaml.safe_dump(_SPEC), encoding="utf-8")
    return [
        prepare_run(
            RunRequest(
                plan=str(plan),
                repo=str(repository),
                builder="simulated",
                builder_options={"spec": str(spec), "seed": "run"},
                run_id=f"chaos-{one}",
            ),
            db=db,
            settings=settings,
            clock=SystemClock(),
        ).run_id
        for one in range(1, number + 1)
    ]


def _make_repository(folder: Path) -> None:
    folder.mkdir()
    (folder / "README.md").write_text("chaos\n", encoding="utf-8")
    git = Git(folder=folder)
    git.run("init", "--quiet", "--initial-branch=main")
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", "base")


def _plan() -> dict[str, Any]:
    return {
        "goal": "Write every file",
        "policy": {"drift": "off"},
        "setup": [],
        "phases": [
            {
                "id": f"phase-{number}",
                "tier": "T1",
                "instructions": f"Write file {number}",
                "deliverables": [f"file-{number}.txt"],
                "validate": [f"grep -q done file-{number}.txt"],
            }
            for number in range(1, _PHASES + 1)
        ],
    }
