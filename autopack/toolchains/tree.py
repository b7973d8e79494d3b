"""A bounded look at a repository: which files and folders it has, read without following links."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MAX_FOLDERS = 5_000
MAX_ENTRIES = 200_000
MAX_DEPTH = 8
MAX_FILE_BYTES = 2 * 1024 * 1024

IGNORED = frozenset(
    {
        "__pycache__",
        "__pypackages__",
        "bower_components",
        "build",
        "coverage",
        "dist",
        "htmlcov",
        "node_modules",
        "out",
        "site-packages",
        "target",
        "vendor",
    }
)
"""Folders made by tools or taken from elsewhere. Hidden folders are ignored as well."""


class Unreadable(Exception):
    """A file that cannot be taken as text; the message says why, without the file's name."""


@dataclass(frozen=True)
class Folder:
    """The names in one folder; links and everything ignored are omitted."""

    path: str
    depth: int
    files: frozenset[str]
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """The folders of a repository by their posix path ("." for the root), nearest first."""

    root: Path
    folders: Mapping[str, Folder]

    @classmethod
    def scan(cls, root: Path) -> Tree:
        """Look at ``root``, breadth first, so that the bounds cut off the deepest folders."""
        folders: dict[str, Folder] = {}
        waiting: deque[tuple[str, int]] = deque([(".", 0)])
        entries = 0
        while waiting and len(folders) < MAX_FOLDERS and entries < MAX_ENTRIES:
            path, depth = waiting.popleft()
            folder = _look(root, path, depth)
            entries += len(folder.files) + len(folder.folders)
            if "pyvenv.cfg" in folder.files and path != ".":
                continue
            folders[path] = folder
            if depth < MAX_DEPTH:
                waiting.extend((join(path, name), depth + 1) for name in folder.folders)
        return cls(root, folders)

    def has(self, path: str, name: str) -> bool:
        """Return whether the folder ``path`` holds a regular file called ``name``."""
        folder = self.folders.get(path)
        return folder is not None and name in folder.files

    def below(self, path: str) -> Iterator[Folder]:
        """Yield the folder ``path`` and everything under it, nearest first."""
        waiting = deque([path])
        while waiting:
            folder = self.folders.get(waiting.popleft())
            if folder is not None:
                yield folder
                waiting.extend(join(folder.path, name) for name in folder.folders)

    def size(self, path: str) -> int:
        """Return the bytes of a file, 0 when it cannot be looked at."""
        try:
            return (self.root / path).stat(follow_symlinks=False).st_size
        except OSError:
            return 0

    def read(self, path: str) -> str:
        """Return the text of a file, without a byte order mark; raises Unreadable."""
        file = self.root / path
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise Unreadable(error.strerror or "cannot be opened") from error
        if len(data) > MAX_FILE_BYTES:
            raise Unreadable(f"larger than {MAX_FILE_BYTES // 1024} kB")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unreadable("not UTF-8 text") from error


def join(path: str, name: str) -> str:
    """Return the posix path of ``name`` in the folder ``path``, without a leading "./"."""
    return name if path == "." else f"{path}/{name}"


def inside(path: str, base: str) -> str:
    """``path`` as seen from the folder ``base`` that holds it."""
    return path if base == "." else path.removeprefix(f"{base}/")


def _look(root: Path, path: str, depth: int) -> Folder:
    files: set[str] = set()
    folders: list[str] = []
    try:
        with os.scandir(root / path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in IGNORED and not entry.name.startswith("."):
                        folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False):
                    files.add(entry.name)
    except OSError:
        # A folder that may not be read has nothing to detect; its parent is still looked at.
        return Folder(path, depth, frozenset(), ())
    return Folder(path, depth, frozenset(files), tuple(sorted(folders)))
