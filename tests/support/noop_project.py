"""A repository and a plan of phases that do nothing, for benches of what a phase costs itself."""

from __future__ import annotations

import subprocess
from pathlib import Path


def noop_project(folder: Path, phases: int) -> tuple[Path, Path, Path]:
    """Make a repository, a plan of so many phases that do nothing, and its recording."""
    repository = folder / "repository"
    recording = folder / "recording"
    repository.mkdir()
    recording.mkdir()
    (repository / "README.md").write_text("# bench\n", encoding="utf-8")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "base"],
    ):
        subprocess.run(["git", *command], cwd=repository, check=True)
    lines = ["goal: Nothing", "setup: []", "phases:"]
    for number in range(phases):
        lines += [
            f"  - id: phase-{number:02d}",
            "    instructions: do nothing",
            "    validate: ['true']",
        ]
        (recording / f"phase-{number:02d}.yaml").write_text(
            "builds:\n  - steps:\n      - call: {provider: p, model: m, total: 10}\n",
            encoding="utf-8",
        )
    plan = folder / "plan.yaml"
    plan.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return plan, repository, recording
