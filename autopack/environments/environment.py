"""The environment that belongs to one run: prepared once, first on PATH, without secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autopack.environments.setup_steps import (
    EnvironmentFailed,
    RunStep,
    SetupSteps,
    StepExit,
    machine_python,
)
from autopack.failpoints import Step, durable
from autopack.files import safe_files
from autopack.files.contents import Stamp, Stamps, stamps
from autopack.files.durable import flush_files, write_whole
from autopack.process.child_environment import child_environment, withheld
from autopack.toolchains import Check, Command, Detected
from autopack.toolchains.needed import Needed
from autopack.toolchains.toolchain_registry import is_named, manifest_patterns, toolchains

__all__ = [
    "Checkout",
    "EnvironmentFailed",
    "Made",
    "RunEnvironment",
    "RunStep",
    "StepExit",
    "Wanted",
    "child_environment",
    "prepare",
]

_FORMAT = 2
"""Raised whenever an environment made by an older version may not be taken for ready."""


@dataclass(frozen=True)
class Made:
    """What setup made, as it left it: in the environment's folder and in the workspace."""

    environment: Stamps = field(default_factory=dict[str, Stamp])
    workspace: Stamps = field(default_factory=dict[str, Stamp])


@dataclass(frozen=True)
class RunEnvironment:
    """Where the run's own tools are, and the complete environment of its children.

    ``root`` is the folder that holds it, ``venv`` the Python environment in it if there is one,
    ``notes`` what was done otherwise than the project asks and why, ``made`` its content and
    ``fresh`` whether setup ran for it just now.
    """

    root: Path
    variables: Mapping[str, str]
    venv: Path | None = None
    notes: tuple[str, ...] = ()
    made: Made = Made()
    fresh: bool = field(default=False, compare=False)


def _nothing() -> None:
    pass


def environment_folder(folder: Path) -> Path:
    """Return where the environment of the run in ``folder`` is or will be."""
    return folder / "environment"


@dataclass(frozen=True)
class Wanted:
    """What is to be installed.

    ``setup`` are exactly the commands to run in the workspace; None means what the ``projects``
    ask for, where the failure of one that is not required is a note. ``installs`` are carried
    out after it.
    """

    setup: Sequence[Command] | None
    projects: Sequence[Needed]
    installs: Sequence[Check] = ()


@dataclass(frozen=True)
class Checkout:
    """The workspace in ``path``, and how it is kept.

    ``tracked`` are the files of the project; None takes every file that is there for one.
    ``clear`` takes everything out of it that its commit does not have, before the first step;
    ``settle`` drops what may not stay after the last one, and returns what may. ``is_intact``
    says whether an environment is as setup left it.
    """

    path: Path
    tracked: Collection[str] | None = None
    clear: Callable[[], None] = _nothing
    settle: Callable[[], Stamps] = dict
    is_intact: Callable[[Made], bool] = lambda _: True


async def prepare(
    folder: Path,
    checkout: Checkout,
    wanted: Wanted,
    *,
    run_step: RunStep,
    environ: Mapping[str, str],
) -> RunEnvironment:
    """Return the environment of the run in ``folder``, prepared once for a workspace and setup.

    What is ready, and as setup left it, is taken as it is; what a crash left half made is made
    anew. Raises EnvironmentFailed when a step fails or its program is missing.
    """
    workspace, setup = checkout.path, wanted.setup
    projects, installs = wanted.projects, wanted.installs
    used = [one.project for one in projects]
    root, ready = environment_folder(folder), folder / "environment.json"
    venv = root if _needs_venv(used, setup) else None
    key = _key(workspace, setup, used, checkout.tracked)
    found = _if_ready(ready, key, workspace, venv, installs=_listed(installs))
    fresh = found is None or not checkout.is_intact(found[1])
    if found is None or fresh:
        _clear(folder, root, ready)
        checkout.clear()
        steps = SetupSteps(folder, workspace, venv, run_step, environ)
        await steps.create()
        if setup is None:
            for one in projects:
                await steps.install(one.project, required=one.required)
        else:
            for argv in setup:
                await steps.run(argv)
        for check in installs:
            await steps.carry_out(check)
        # Where nothing ran, nothing lies beside the commit that the checkout was cleared for.
        there: Stamps = checkout.settle() if projects or setup or installs else {}
        found = (*_withheld(environ), *steps.notes), Made(stamps(root), there)
        _record(ready, key, *found, installs=_listed(installs), modules=_modules(workspace, used))
    notes, made = found
    return RunEnvironment(root, child_environment(environ, venv=venv), venv, notes, made, fresh)


def record_anew(
    folder: Path, environment: RunEnvironment, made: Made, installs: Sequence[Check]
) -> RunEnvironment:
    """Take ``made`` for what setup and ``installs`` made; no-op once there is no environment."""
    ready = folder / "environment.json"
    if safe_files.is_file(ready):
        record: dict[str, Any] = json.loads(safe_files.read_text(ready))
        _record(
            ready,
            record["key"],
            environment.notes,
            made,
            installs=_listed(installs),
            modules=record["modules"],
        )
    return replace(environment, made=made)


def _withheld(environ: Mapping[str, str]) -> list[str]:
    """Return a note on the variables that the user set and will miss in builds and checks."""
    names = withheld(environ)
    return [f"builds and checks do not see what holds a secret: {', '.join(names)}"][: len(names)]


def _needs_venv(used: Sequence[Detected], setup: Sequence[Command] | None) -> bool:
    isolated = [one for one in toolchains() if one.has_virtual_environment]
    names = {one.name for one in isolated}
    programs = {program for one in isolated for program in one.programs}
    called = {Path(argv[0]).name for argv in setup or ()}
    return any(one.name in names for one in used) or not called.isdisjoint(programs)


def _key(
    workspace: Path,
    setup: Sequence[Command] | None,
    used: Sequence[Detected],
    tracked: Collection[str] | None,
) -> str:
    """Return what the environment was made from: commands, place, interpreter, manifests."""
    # A plan that says to install nothing depends on no manifest.
    manifests = [] if setup == () else _manifests(workspace, setup, used, tracked)
    made_from = {
        "format": _FORMAT,
        "workspace": str(workspace.resolve()),
        "python": machine_python(),
        "setup": None if setup is None else [list(argv) for argv in setup],
        "install": [[one.path, one.install] for one in used] if setup is None else None,
        "manifests": {name: _digest(workspace / name) for name in manifests},
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _manifests(
    workspace: Path,
    setup: Sequence[Command] | None,
    used: Sequence[Detected],
    tracked: Collection[str] | None,
) -> list[str]:
    """Return the files whose change makes the environment stale, also those that came later.

    Those that detection read, their like in the same folders, and what a setup command names; of
    files that setup makes itself none.
    """
    names = {name for one in used for name in one.manifests}
    for folder in {".", *(one.path for one in used)}:
        names.update(
            name if folder == "." else f"{folder}/{name}"
            for name in safe_files.names(workspace / folder)
            if is_manifest(name)
        )
    words = {word for argv in setup or () for part in argv for word in part.split()}
    names |= {word for word in words if _is_file(workspace, word)}
    return sorted(names if tracked is None else names.intersection(tracked))


def is_manifest(path: str) -> bool:
    """Return whether setup reads a file of this name, wherever it lies."""
    return is_named(path, manifest_patterns())


def _is_file(workspace: Path, word: str) -> bool:
    try:
        return safe_files.is_file(workspace / word)
    except (OSError, ValueError):
        return False


def _digest(file: Path) -> str | None:
    try:
        return hashlib.sha256(safe_files.read_bytes(file)).hexdigest()
    except FileNotFoundError:
        return None


def _modules(workspace: Path, used: Sequence[Detected]) -> list[str]:
    """Return the folders that installs made in the worktree, which can be cleaned away with it."""
    makes = {one.name: one.installed for one in toolchains()}
    folders = {f"{one.path}/{name}" for one in used for name in makes.get(one.name, ())}
    return sorted(name for name in folders if safe_files.is_folder(workspace / name))


def _clear(folder: Path, root: Path, ready: Path) -> None:
    """Take away what is left of an earlier preparation; the record first, since it vouches."""
    safe_files.make_folder(folder, below=folder.parent)
    safe_files.remove(ready)
    safe_files.remove(root)
    # It is there before anything is installed, for only what is there can be lent to programs.
    safe_files.make_folder(root, below=folder)


def _if_ready(
    ready: Path, key: str, workspace: Path, venv: Path | None, *, installs: list[Any]
) -> tuple[tuple[str, ...], Made] | None:
    """Notes and content of the environment that was made from exactly this; None without one."""
    try:
        record: dict[str, Any] = json.loads(safe_files.read_text(ready))
        found, modules, notes = record["key"], tuple(record["modules"]), tuple(record["notes"])
        made = Made(*({path: Stamp(*at) for path, at in record[part].items()} for part in _PARTS))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if found != key or record.get("installs") != installs:
        return None
    if venv is not None and not safe_files.is_file(venv / "pyvenv.cfg"):
        return None
    return (
        (notes, made) if all(safe_files.is_folder(workspace / name) for name in modules) else None
    )


_PARTS = ("environment", "workspace")


def _listed(installs: Sequence[Check]) -> list[Any]:
    return [[check.path, list(check.argv)] for check in installs]


def _record(
    ready: Path,
    key: str,
    notes: Sequence[str],
    made: Made,
    *,
    installs: list[Any],
    modules: Sequence[str],
) -> None:
    parts = {part: getattr(made, part) for part in _PARTS}
    more = {"notes": list(notes), "installs": installs, "modules": list(modules)}
    _write(ready, {"key": key, **more, **parts})


def _write(ready: Path, record: Mapping[str, object]) -> None:
    """Appears whole or not at all, so that half a preparation is never taken for a whole one."""
    flush_files(ready.parent)
    with durable(Step.ENVIRONMENT_NOTED):
        write_whole(ready, json.dumps(record))
