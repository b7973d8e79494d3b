"""The environment that belongs to one run: prepared once, first on PATH, without secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autopack import safe_files
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


def environment_folder(folder: Path) -> Path:
    """Where the environment of the run in ``folder`` is or will be."""
    return folder / "environment"


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
    root, ready = environment_folder(folder), folder / "environment.json"
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
    try:
        return hashlib.sha256(safe_files.read_bytes(file)).hexdigest()
    except FileNotFoundError:
        return None


def _modules(workspace: Path, used: Sequence[Detected]) -> list[str]:
    """The node_modules folders, which lie in the worktree and can be cleaned away with it."""
    folders = {f"{one.path}/node_modules" for one in used if one.name == "node"}
    return sorted(name for name in folders if safe_files.is_folder(workspace / name))


def _clear(folder: Path, root: Path, ready: Path) -> None:
    """Take away what is left of an earlier preparation; the record first, since it vouches."""
    safe_files.make_folder(folder, below=folder.parent)
    safe_files.remove(ready)
    safe_files.remove(root)
    # It is there before anything is installed, for only what is there can be lent to programs.
    safe_files.make_folder(root, below=folder)


def _notes_if_ready(
    ready: Path, key: str, workspace: Path, venv: Path | None
) -> tuple[str, ...] | None:
    """The notes of the environment that was made from exactly this; None when there is none."""
    try:
        record: Any = json.loads(safe_files.read_text(ready))
        notes, modules = tuple(record["notes"]), tuple(record["modules"])
        same = record["key"] == key
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    if not same or (venv is not None and not safe_files.is_file(venv / "pyvenv.cfg")):
        return None
    return notes if all(safe_files.is_folder(workspace / name) for name in modules) else None


def _write(ready: Path, record: Mapping[str, object]) -> None:
    """Appears whole or not at all, so that half a preparation is never taken for a whole one."""
    flush_files(ready.parent)
    write_whole(ready, json.dumps(record))
