"""The environment that belongs to one run: prepared once, first on PATH, without secrets."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.durable import flush_files, write_whole
from autopack.validation.child_environment import child_environment
from autopack.validation.detect import USED_FROM
from autopack.validation.setup_steps import (
    EnvironmentFailed,
    RunStep,
    SetupSteps,
    StepExit,
    machine_python,
)
from autopack.validation.toolchains import Command, Detected

__all__ = [
    "EnvironmentFailed",
    "RunEnvironment",
    "RunStep",
    "StepExit",
    "child_environment",
    "prepare",
]

_PYTHON_PROGRAMS = ("python", "python3", "pip", "pip3", "uv", "poetry", "pytest", "tox", "nox")
_FORMAT = 1
"""Raised whenever an environment made by an older version may not be taken for ready."""


@dataclass(frozen=True)
class RunEnvironment:
    """Where the run's own tools are, and the complete environment of its children.

    ``root`` is the folder that holds it, ``venv`` the Python environment in it if there is one,
    ``notes`` what was done otherwise than the project asks and why.
    """

    root: Path
    variables: Mapping[str, str]
    venv: Path | None = None
    notes: tuple[str, ...] = ()


async def prepare(
    *,
    folder: Path,
    workspace: Path,
    setup: Sequence[Command] | None,
    detected: Sequence[Detected],
    run_step: RunStep,
    environ: Mapping[str, str],
) -> RunEnvironment:
    """The environment of the run in ``folder``, prepared once for this workspace and setup.

    ``setup`` are exactly the commands to run in the workspace; None means what the ``detected``
    projects ask for. What is ready is taken as it is; what a crash left half made is made anew.
    Raises EnvironmentFailed when a step fails or its program is missing.
    """
    used = [one for one in detected if one.confidence >= USED_FROM]
    root, ready = folder / "environment", folder / "environment.json"
    venv = root if _needs_python(used, setup) else None
    key = _key(workspace, setup, used)
    notes = _notes_if_ready(ready, key, workspace, venv)
    if notes is None:
        _clear(folder, root, ready)
        steps = SetupSteps(folder, workspace, venv, run_step, environ)
        await steps.create()
        if setup is None:
            for one in used:
                await steps.install(one)
        else:
            for argv in setup:
                await steps.run(argv)
        notes = tuple(steps.notes)
        _write(ready, {"key": key, "notes": notes, "modules": _modules(workspace, used)})
    return RunEnvironment(root, child_environment(environ, venv=venv), venv, notes)


def _needs_python(used: Sequence[Detected], setup: Sequence[Command] | None) -> bool:
    programs = {Path(argv[0]).name for argv in setup or ()}
    return any(one.name == "python" for one in used) or not programs.isdisjoint(_PYTHON_PROGRAMS)


def _key(workspace: Path, setup: Sequence[Command] | None, used: Sequence[Detected]) -> str:
    """What the environment was made from: commands, place, interpreter, manifests."""
    manifests = sorted({name for one in used for name in one.manifests})
    made_from = {
        "format": _FORMAT,
        "workspace": str(workspace.resolve()),
        "python": machine_python(),
        "setup": None if setup is None else [list(argv) for argv in setup],
        "install": [[one.path, one.install] for one in used] if setup is None else None,
        "manifests": {name: _digest(workspace / name) for name in manifests},
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _digest(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _modules(workspace: Path, used: Sequence[Detected]) -> list[str]:
    """The node_modules folders, which lie in the worktree and can be cleaned away with it."""
    folders = {f"{one.path}/node_modules" for one in used if one.name == "node"}
    return sorted(folder for folder in folders if (workspace / folder).is_dir())


def _clear(folder: Path, root: Path, ready: Path) -> None:
    """Take away what is left of an earlier preparation; the record first, since it vouches."""
    ready.unlink(missing_ok=True)
    if root.exists():
        shutil.rmtree(root)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _notes_if_ready(
    ready: Path, key: str, workspace: Path, venv: Path | None
) -> tuple[str, ...] | None:
    """The notes of the environment that was made from exactly this; None when there is none."""
    try:
        record = json.loads(ready.read_text(encoding="utf-8"))
        found, modules, notes = record["key"], list(record["modules"]), tuple(record["notes"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    if found != key or (venv is not None and not (venv / "pyvenv.cfg").is_file()):
        return None
    if not all((workspace / folder).is_dir() for folder in modules):
        return None
    return notes


def _write(ready: Path, record: Mapping[str, object]) -> None:
    """Appears whole or not at all, so that half a preparation is never taken for a whole one."""
    flush_files(ready.parent)
    write_whole(ready, json.dumps(record))
