"""Labelled tasks: repositories of installed packages, each task a mutation of one of their files.

A task says what is wrong in the words of the docstring of the function that was mutated, which
is no longer there, and names neither function nor file; its label is the file to change.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autopack.workspace.protected_tests import is_test
from support.projects import git, make_repository

_COMPARED = (
    (" == ", " != "),
    (" is not ", " is "),
    (" if not ", " if "),
    (" < ", " > "),
    (" and ", " or "),
    ("return ", "return None and "),
)


@dataclass(frozen=True)
class LabelledTask:
    """What is asked for, the mutated text, and the file to change."""

    instructions: str
    path: str
    mutated: str


def repository_of(package: str, folder: Path) -> Path:
    """Make a repository of an installed package's Python files."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parent
    files = {
        f"{package}/{path.relative_to(root).as_posix()}": path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
    }
    return make_repository(folder, files)


def tasks_of(repository: Path) -> Iterator[LabelledTask]:
    """Yield one task a file, for each that has a documented function to mutate."""
    for path in sorted(repository.rglob("*.py")):
        if is_test(path.relative_to(repository).as_posix()):
            continue
        text = path.read_text(encoding="utf-8")
        for function in _documented(text):
            mutated = _mutated(text, function)
            if mutated is not None:
                words = " ".join((ast.get_docstring(function) or "").split("\n\n")[0].split())
                name = path.relative_to(repository).as_posix()
                yield LabelledTask(f"This is wrong: {words}", name, mutated)
                break


def commit(repository: Path, task: LabelledTask) -> str:
    """Commit the mutation of ``task`` on what the repository began with; return the commit."""
    git(repository, "reset", "-q", "--hard", "main")
    git(repository, "checkout", "-q", "--detach", "main")
    (repository / task.path).write_text(task.mutated, encoding="utf-8")
    git(repository, "commit", "-qam", "change")
    return git(repository, "rev-parse", "HEAD").strip()


def _documented(text: str) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            words = re.findall(r"\w+", (ast.get_docstring(node) or "").split("\n\n")[0])
            if len(words) >= 7:
                yield node


def _mutated(text: str, function: ast.FunctionDef) -> str | None:
    lines = text.split("\n")
    words = function.body[0]
    for number in range(function.body[0].end_lineno or 0, function.end_lineno or 0):
        for old, new in _COMPARED:
            if old in lines[number] and '"' not in lines[number]:
                lines[number] = lines[number].replace(old, new, 1)
                del lines[words.lineno - 1 : words.end_lineno]
                return "\n".join(lines)
    return None
