"""The steps that make the environment of a run, each a supervised program."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from autopack.files import safe_files
from autopack.model.errors import WorkFailed
from autopack.process.child_environment import bin_folder, child_environment, own_bin_folder
from autopack.toolchains import Check, Command, Detected
from autopack.toolchains.python.toolchain import PIP


class EnvironmentFailed(WorkFailed):
    """The environment of a run could not be prepared; ``tail`` is the end of the output."""

    kind = "environment"

    def __init__(self, message: str, *, tail: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.tail = tail


class StepExit(Protocol):
    """How a step ended: its exit status (0 is success) and the end of its output."""

    @property
    def status(self) -> int | None: ...

    @property
    def tail(self) -> str: ...


RunStep = Callable[[Command, Path, Mapping[str, str], str], Awaitable[StepExit]]
"""Runs ``argv`` in ``cwd`` with exactly ``env``; ``label`` names the step in logs."""


@dataclass
class SetupSteps:
    """Carries out the steps of one preparation; notes what it does otherwise than asked."""

    folder: Path
    workspace: Path
    venv: Path | None
    run_step: RunStep
    environ: Mapping[str, str]
    notes: list[str] = field(default_factory=list[str])

    async def create(self) -> None:
        """The virtual environment, with a pip of its own; nothing is downloaded."""
        if self.venv is None:
            return
        python = machine_python()
        uv = self._program("uv")
        if uv is not None:
            label = "create the Python environment"
            made = await self._try((uv, "venv", "--python", python, str(self.venv)), label)
            if made.status == 0:
                await self._seed(uv)
                return
            safe_files.remove(self.venv)
            safe_files.make_folder(self.venv, below=self.venv.parent)
        await self._do((python, "-m", "venv", str(self.venv)), "create the Python environment")

    async def _seed(self, uv: str) -> None:
        # uv makes environments without pip. Setups, agents and mitigations that call pip must
        # find the environment's own; the machine's interpreter usually carries a copy of it.
        pip = _bundled_pip()
        source = ("--offline", str(pip)) if pip else ("pip",)
        argv = (uv, "pip", "install", "--python", self._python(), "--no-deps", *source)
        if (await self._try(argv, "add pip")).status != 0:
            self.notes.append("the Python environment has no pip of its own, only uv's")

    async def install(self, one: Detected, *, required: bool) -> None:
        """Add what the project asks for, or its stand-in when its manager is not on this machine.

        A failure is a note, unless the project is ``required``.
        """
        try:
            await self._install_all(one)
        except EnvironmentFailed as error:
            if required:
                raise
            self.notes.append(
                f"{one.path}: not installed, and no check is known to need it: {error.message}"
            )

    async def _install_all(self, one: Detected) -> None:
        commands = one.install
        if one.without_manager and self._program(one.manager) is None:
            commands = one.without_manager
            self.notes.append(
                f"{one.path}: {one.manager} is not on PATH, so pip installed what the manifest "
                "asks for, without the lock file"
            )
        for argv in commands:
            await self._install(Check(one.path, argv))

    async def run(self, argv: Command) -> None:
        """A command of the plan's own setup, exactly as it is written."""
        await self._do(argv, shlex.join(argv), self.workspace)

    async def carry_out(self, step: Check) -> None:
        """An install command that nobody wrote. Raises EnvironmentFailed."""
        uses_uv = step.argv[:3] == ("uv", "pip", "install")
        if uses_uv and self._program("uv") is None:
            step = Check(step.path, (*PIP, *step.argv[3:]))
        await self._install(step)

    async def _install(self, step: Check) -> None:
        """An inferred command; pip's own by uv when it is there, which is much faster."""
        cwd = self.workspace / step.path
        label = shlex.join(step.argv)
        uv = self._program("uv")
        if uv is not None and step.argv[: len(PIP)] == PIP and self.venv is not None:
            fast = (uv, "pip", "install", "--python", self._python(), *step.argv[len(PIP) :])
            if (await self._try(fast, label, cwd)).status == 0:
                return
            # pip may know of package sources that uv was not told about.
            self.notes.append(f"{step.path}: uv could not run `{label}`, so pip did")
        await self._do(step.argv, label, cwd)

    async def _do(self, argv: Command, label: str, cwd: Path | None = None) -> None:
        done = await self._try(argv, label, cwd)
        if done.status != 0:
            raise EnvironmentFailed(
                f"the environment of the run could not be prepared: `{shlex.join(argv)}` in "
                f"{cwd or self.folder} {_ending(done.status)}",
                tail=done.tail,
                hint="run the command by hand in a clean checkout, or give the plan a `setup`",
            )

    async def _try(self, argv: Command, label: str, cwd: Path | None = None) -> StepExit:
        there = cwd or self.folder
        variables = child_environment(self.environ, venv=self.venv, installing=True)
        # A hard link into uv's cache would let an agent that edits an installed package change
        # it for everybody.
        variables.setdefault("UV_LINK_MODE", "copy")
        program = _resolve(argv[0], there, variables["PATH"]) or self._program(argv[0])
        if program is None:
            raise EnvironmentFailed(
                f"the environment of the run needs {argv[0]}, which is not on PATH",
                hint=f"install {argv[0]}, or give the plan a `setup` that does without it",
            )
        return await self.run_step((program, *argv[1:]), there, variables, label)

    def _python(self) -> str:
        assert self.venv is not None  # noqa: S101
        return str(bin_folder(self.venv) / ("python.exe" if sys.platform == "win32" else "python"))

    def _program(self, name: str) -> str | None:
        """Return a package manager, wherever this process could find it: PATH, or beside
        Autopack.
        """
        if name not in ("uv", "poetry"):
            return None
        beside = own_bin_folder()
        path = self.environ.get("PATH", os.defpath)
        return shutil.which(name, path=path) or (
            shutil.which(name, path=str(beside)) if beside else None
        )


def machine_python() -> str:
    """Return the interpreter that Autopack's own environment was made from."""
    base: Any = getattr(sys, "_base_executable", None)
    return str(base or sys.executable)


def _bundled_pip() -> Path | None:
    """Return the pip wheel that comes with the machine's interpreter; some distributions
    strip it.
    """
    try:
        import ensurepip
    except ImportError:
        return None
    wheels = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    return wheels[-1] if wheels else None


def _ending(status: int | None) -> str:
    return "was ended before it finished" if status is None else f"ended with status {status}"


def _resolve(program: str, cwd: Path, path: str) -> str | None:
    """Return the program's file as the child will find it: relative to its folder, or on
    its PATH.
    """
    if "/" in program or os.sep in program:
        return program if (cwd / program).exists() else None
    return shutil.which(program, path=path)
