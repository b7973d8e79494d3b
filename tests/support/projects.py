"""Small projects: a git repository, a plan, and a recording that carries the plan out."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support import link_pytest


def git(folder: Path, *args: str) -> str:
    """Run git as a user would, with a name of its own."""
    return subprocess.run(
        ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *args],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def make_repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A repository with one commit of ``files``."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base", "--allow-empty")
    return folder


def make_remote(repository: Path, name: str = "central") -> Path:
    """A bare clone beside a repository, which has it as the remote ``name``."""
    bare = repository.with_name(f"{repository.name}.git")
    git(repository, "clone", "-q", "--bare", str(repository), str(bare))
    git(repository, "remote", "add", name, str(bare))
    return bare


def refs_in(repository: Path, *patterns: str) -> dict[str, str]:
    """The commits of the refs that begin with one of ``patterns``, of all by default."""
    listed = git(repository, "for-each-ref", "--format=%(refname) %(objectname)", *patterns)
    return dict(line.split(" ") for line in listed.splitlines())


PYTEST_SETUP = shlex.join(
    ["python", str(Path(link_pytest.__file__)), sysconfig.get_path("purelib")]
)
"""The command of a plan's `setup` after which checks can run pytest."""


@dataclass(frozen=True)
class Project:
    """A repository with a plan for it and the recording that the script builder replays."""

    repository: Path
    plan: Path
    recording: Path

    def hasten(self) -> None:
        """Have every later process wait for nothing while it builds.

        What a build waits for before it is killed may so be longer than any test: no test has to
        be quick enough to see it at work.
        """
        for path in sorted(self.recording.glob("*.yaml")) or [self.recording]:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            for build in content.get("builds", ()):
                build["steps"] = [step for step in build["steps"] if "delay" not in step]
            write_yaml(path, content | ({"seconds": 0} if "seconds" in content else {}))

    @property
    def run_args(self) -> list[str]:
        """The arguments of `autopack run`."""
        return [
            str(self.plan),
            "--repo",
            str(self.repository),
            "--set",
            f"recording={self.recording}",
        ]


def make_project(
    folder: Path,
    phases: Mapping[str, list[list[dict[str, Any]]]],
    *,
    files: Mapping[str, str] | None = None,
    plan: Mapping[str, Any] | None = None,
    phase: Mapping[str, Any] | None = None,
) -> Project:
    """A project whose phases have the given builds, each a list of recorded steps.

    ``plan`` adds to the plan, ``phase`` to every phase of it; checks are `true` unless said.
    """
    repository = make_repository(folder / "repository", files or {"README.md": "hello\n"})
    recording = folder / "recording"
    recording.mkdir(parents=True)
    listed: list[dict[str, Any]] = []
    for phase_id, builds in phases.items():
        listed.append(
            {"id": phase_id, "instructions": f"do {phase_id}", "validate": ["true"]}
            | dict(phase or {})
        )
        write_yaml(
            recording / f"{phase_id}.yaml", {"builds": [{"steps": steps} for steps in builds]}
        )
    text = {"goal": "A goal", "setup": [], "phases": listed} | dict(plan or {})
    return Project(repository, write_yaml(folder / "plan.yaml", text), recording)


def write_yaml(path: Path, content: Any) -> Path:
    """Write ``content`` as YAML."""
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def call(total: int, **more: Any) -> dict[str, Any]:
    """A recorded model call of ``total`` tokens."""
    return {"call": {"provider": "p", "model": "m", "total": total} | more}


def fingerprint(repository: Path) -> dict[str, str]:
    """Every file of a checkout and its .git by content, but objects and autopack's branches."""
    found: dict[str, str] = {}
    for path in sorted(repository.rglob("*")):
        name = path.relative_to(repository).as_posix()
        mine = name.startswith(
            (".git/objects", ".git/refs/heads/autopack", ".git/logs/refs/heads/autopack")
        )
        if path.is_file() and not mine:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def make_simulated(
    folder: Path, spec: Mapping[str, Any], *, phases: int = 1, attempts: int = 1
) -> Project:
    """A project for the simulated builder; what is called its recording is the spec.

    The phases depend on nothing and have checks that cost next to nothing.
    """
    repository = make_repository(folder / "repository", {"README.md": "hello\n"})
    names = [f"phase-{number + 1}" for number in range(phases)]
    plan = folder / "plan.yaml"
    write_yaml(
        plan,
        {
            "goal": "Write the files",
            "success_criteria": ["every file says done"],
            "policy": {"drift": "off"},
            "setup": [],
            "phases": [
                {
                    "id": name,
                    "tier": "T1",
                    "instructions": f"Write {name}.txt",
                    "deliverables": [f"{name}.txt"],
                    "validate": [f"grep -q done {name}.txt"],
                    "budget": {"attempts": attempts},
                }
                for name in names
            ],
        },
    )
    write_yaml(folder / "spec.yaml", dict(spec))
    return Project(repository, plan, folder / "spec.yaml")
