"""Moving files out of a folder while it is judged, and back afterwards.

They wait in a folder on the same file system, so that moving costs nothing; a note beside them
says where each belongs, and is written first, so that a process that crashed in between loses none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from autopack.files import safe_files
from autopack.files.untrusted import make_writable, remove_tree

_NOTE = "places.json"


@dataclass(frozen=True)
class Aside:
    """The folder that things of one workspace wait in."""

    folder: Path

    def take(self, root: Path, paths: Iterable[str]) -> None:
        """Move ``paths``, files and whole folders below ``root``, out of it."""
        listed = list(paths)
        if not listed:
            return
        self.drop()
        safe_files.make_folder(self.folder, below=self.folder.parent)
        safe_files.write(self.folder / _NOTE, json.dumps(listed))
        for number, path in enumerate(listed):
            place = root / path
            try:
                place.rename(self.folder / str(number))
            except PermissionError:
                make_writable(place.parent)
                if place.is_dir() and not place.is_symlink():
                    make_writable(place)
                place.rename(self.folder / str(number))

    def give_back(self, root: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
        """Move what is ``wanted`` back to where it was unless that is taken; drop the rest."""
        try:
            listed: list[str] = json.loads(safe_files.read_text(self.folder / _NOTE))
        except (FileNotFoundError, ValueError):
            self.drop()
            return
        real = os.path.realpath(root)
        for number, path in enumerate(listed):
            kept, place = self.folder / str(number), root / path.rstrip("/")
            if not wanted(path) or not os.path.lexists(kept) or os.path.lexists(place):
                continue
            # Through a link in place of a folder, a file would leave the workspace.
            parent = Path(real, path.rstrip("/")).parent
            if parent.is_dir() and os.path.realpath(parent) == os.fspath(parent):
                kept.rename(place)
        self.drop()

    def drop(self) -> None:
        """Delete what waits."""
        remove_tree(self.folder)


def topmost(extras: Iterable[str], kept: Collection[str]) -> list[str]:
    """Return the fewest paths that hold ``extras`` and nothing of ``kept``."""
    folders = {""}
    for path in kept:
        while (path := path.rpartition("/")[0]) not in folders:
            folders.add(path)
    tops: dict[str, None] = {}
    for extra in extras:
        path = extra.rstrip("/")
        while (parent := path.rpartition("/")[0]) not in folders:
            path = parent
        tops[path] = None
    return list(tops)
