"""Declared patterns in files: of the home, and of a repository at one of its commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from autopack.model.errors import BadInput
from autopack.repair.patterns.declarative import DeclarativePattern, load, read_content
from autopack.workspace.git import Git

FOLDER = "patterns"
"""The folder of the home."""

OF_REPOSITORY = ".autopack/patterns"
MOST_FILES = 500

_ENDINGS = (".yaml", ".yml")


def of_home(home: Path) -> tuple[DeclarativePattern, ...]:
    """Return the patterns below ``home/patterns``, also those that `patterns expand` put there.

    Raises BadInput naming the file and the field.
    """
    folder = home / FOLDER
    files = [*folder.glob("*"), *folder.glob(f"*/{FOLDER}/*")]
    found = sorted(path for path in files if path.suffix in _ENDINGS and path.is_file())
    return _bounded((load(path) for path in found), len(found), str(folder))


def of_commit(git: Git, commit: str) -> tuple[DeclarativePattern, ...]:
    """Return the patterns that a commit of a repository declares.

    Raises BadInput naming the file and the field.
    """
    listed = git.run("ls-tree", "-r", "-z", "--name-only", commit, "--", f"{OF_REPOSITORY}/")
    found = sorted(path for path in listed.split("\0") if _is_pattern(path))

    def each() -> Iterator[DeclarativePattern]:
        for path in found:
            content = git.call("cat-file", "blob", f"{commit}:{path}").output
            yield replace(read_content(content, path), of_repository=True)

    return _bounded(each(), len(found), OF_REPOSITORY)


def _is_pattern(path: str) -> bool:
    name = PurePosixPath(path)
    return name.parent == PurePosixPath(OF_REPOSITORY) and name.suffix in _ENDINGS


def _bounded(
    patterns: Iterable[DeclarativePattern], count: int, where: str
) -> tuple[DeclarativePattern, ...]:
    if count > MOST_FILES:
        raise BadInput(
            f"{where} holds {count:,} pattern files; at most {MOST_FILES} are read",
            field="patterns",
            hint="remove those that are retired",
        )
    return tuple(patterns)
