"""The tools of the ``api`` builder: files of the worktree within the phase's scope, its checks."""

from __future__ import annotations

import json
import os
from pathlib import Path

from autopack.agents.api import searching
from autopack.agents.protocol import BuildRequest
from autopack.environments.setup_steps import machine_python
from autopack.files import safe_files
from autopack.process.log import Log
from autopack.process.run_options import RunOptions
from autopack.process.scratch import SCRATCH
from autopack.process.supervisor import Supervisor
from autopack.workspace.changes import Change
from autopack.workspace.content.byproducts import folder_patterns
from autopack.workspace.protected_tests import PROTECTED, changed_tests, unasked
from autopack.workspace.scope import check_scope

_SEARCH = Path(searching.__file__)
_SEARCH_SECONDS = 10.0
_MOST_BYTES = 60_000
_MOST_LINES = 400


def _passed_over() -> list[str]:
    """Folders in which there is nothing to find but what tools left."""
    return [".git", *folder_patterns()]


class ToolRefused(Exception):
    """What was asked for is not possible; the message is for the model."""


class ConfinedTools:
    """Each method is a tool; paths are relative to the worktree, with ``/``.

    Reading stays below the worktree, writing also within the scope: a symbolic link that leads
    out of it is refused like the place it leads to.
    """

    def __init__(self, request: BuildRequest, supervisor: Supervisor) -> None:
        self._request = request
        self._supervisor = supervisor
        self._root = request.worktree.resolve()

    def list_files(self, folder: str = ".") -> str:
        """List the files below a folder, one a line."""
        start = self._inside(folder)
        if not start.is_dir():
            raise ToolRefused(f"{folder} is not a folder")
        found: list[str] = []
        for here, folders, files in os.walk(start):
            folders[:] = searching.wanted(folders, _passed_over())
            found += [(Path(here) / name).relative_to(self._root).as_posix() for name in files]
            if len(found) > _MOST_LINES:
                return "\n".join([*sorted(found)[:_MOST_LINES], "... and more"])
        return "\n".join(sorted(found)) or "there are no files"

    def read_file(self, path: str, first_line: int = 1, lines: int = _MOST_LINES) -> str:
        """Read lines of a text file."""
        target = self._inside(path)
        if not target.is_file():
            raise ToolRefused(f"{path} is not a file")
        text = safe_files.read_text(target).splitlines(keepends=True)
        start = max(first_line, 1) - 1
        return "".join(text[start : start + max(lines, 1)])[:_MOST_BYTES]

    async def search(self, pattern: str, folder: str = ".") -> str:
        """Find lines that match a regular expression, as path:line:text."""
        start = self._inside(folder)
        place = str(start.relative_to(self._root))
        asked = {"pattern": pattern, "folder": place, "passed_over": _passed_over()}
        with Log(self._request.spool / "search.log") as log:
            begun = log.size()
            done = await self._supervisor.run(
                [machine_python(), "-ISB", "-c", safe_files.read_text(_SEARCH)],
                cwd=self._root,
                env=self._request.environment,
                timeout=_SEARCH_SECONDS,
                spool=log,
                options=RunOptions(
                    readable=(self._root,),
                    max_output=_MOST_BYTES * 4,
                    input=json.dumps(asked),
                    apart=True,
                ),
            )
            found = log.read(_MOST_BYTES, head=_MOST_BYTES, start=begun).rstrip("\n")
        if done.timed_out:
            raise ToolRefused(f"the search took more than {_SEARCH_SECONDS:g} s: simplify it")
        if done.status != 0:
            raise ToolRefused(found or f"the search ended with status {done.status}")
        return found

    def edit_file(self, path: str, old: str, new: str) -> str:
        """Replace a piece of text that occurs exactly once in a file."""
        target = self._writable(path)
        if not target.is_file():
            raise ToolRefused(f"{path} is not a file")
        text = safe_files.read_bytes(target).decode("utf-8", "surrogateescape")
        if not old or text.count(old) != 1:
            raise ToolRefused(f"the text occurs {text.count(old) if old else 0} times in {path}")
        safe_files.put(target, text.replace(old, new).encode("utf-8", "surrogateescape"))
        return "replaced"

    def write_file(self, path: str, content: str) -> str:
        """Create a file, or replace its whole content."""
        target = self._writable(path)
        safe_files.make_folder(target.parent, below=self._root)
        safe_files.put(target, content.encode("utf-8"))
        return "written"

    def delete_file(self, path: str) -> str:
        """Delete a file."""
        target = self._writable(path)
        if not target.is_file():
            raise ToolRefused(f"{path} is not a file")
        safe_files.remove(target)
        return "deleted"

    async def run_checks(self) -> str:
        """Run the commands that decide whether the work is done; their output."""
        said: list[str] = []
        spool = self._request.spool
        own = safe_files.make_folder(spool / SCRATCH, below=spool)
        for argv in self._request.checks:
            done = await self._supervisor.run(
                argv,
                cwd=self._request.worktree,
                env=self._request.environment,
                timeout=self._request.limits.seconds,
                spool=spool / "checks.log",
                options=RunOptions(
                    writable=(self._request.worktree, own),
                    apart=True,
                ),
            )
            said.append(f"{' '.join(argv)}: exit status {done.status}\n{done.tail}")
            if done.status != 0:
                break
        return "\n".join(said) or "there are no checks"

    def _inside(self, path: str) -> Path:
        target = (self._root / path).resolve()
        if not target.is_relative_to(self._root):
            raise ToolRefused(f"{path} is outside the worktree")
        if any(part.lower() == ".git" for part in target.relative_to(self._root).parts):
            raise ToolRefused(f"{path} belongs to git")
        return target

    def _is_protected(self, name: str) -> bool:
        found = changed_tests(
            [Change(path=name, status="M", mode="100644")],
            before=lambda _: None,
            after=lambda _: None,
        )
        named = (*self._request.deliverables, *self._request.scope_paths)
        return bool(unasked(found, named))

    def _writable(self, path: str) -> Path:
        target = self._inside(path)
        name = target.relative_to(self._root).as_posix()
        violations = check_scope(
            [Change(path=name, status="M", mode="100644")],
            self._request.scope_paths,
            self._request.read_only,
            read_link=lambda _: "",
        )
        if violations:
            raise ToolRefused(f"{path} {violations[0].reason}")
        if self._request.protects_tests and self._is_protected(name):
            raise ToolRefused(f"{path} {PROTECTED}")
        return target
