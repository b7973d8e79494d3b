"""Folders as they were before something was installed into them, to go back to.

The copy is made of hard links: it costs no space and little time, and installers replace files
rather than write into them. A note lists what was kept, and is written last, so that a process
that died half way leaves either nothing to go back to or everything.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from autopack.durable import flush_files, write_whole
from autopack.workspace.files import remove_tree

_NOTE = "kept.json"


@dataclass(frozen=True)
class Savepoint:
    """The copies in ``folder`` by the folder that each was made of; None where there was none."""

    folder: Path
    kept: dict[str, str | None]

    @classmethod
    def make(cls, folder: Path, originals: Iterable[Path]) -> Savepoint:
        """Keep the state of ``originals``, which need not exist."""
        remove_tree(folder)
        folder.mkdir(parents=True, mode=0o700)
        kept: dict[str, str | None] = {}
        for number, original in enumerate(dict.fromkeys(originals)):
            kept[str(original)] = str(number) if original.is_dir() else None
            if original.is_dir():
                shutil.copytree(original, folder / str(number), symlinks=True, copy_function=_link)
        flush_files(folder)
        write_whole(folder / _NOTE, json.dumps(kept))
        return cls(folder, kept)

    @classmethod
    def left_behind(cls, folder: Path) -> Savepoint | None:
        """The savepoint of a process that died before it kept or undid its installs."""
        try:
            kept = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
            if not isinstance(kept, dict):
                raise ValueError(kept)
        except (FileNotFoundError, ValueError):
            remove_tree(folder)
            return None
        return cls(folder, cast("dict[str, str | None]", kept))

    def restore(self) -> None:
        """Have every folder as it was. May be repeated when it was cut off."""
        for original, copy in self.kept.items():
            if copy is None:
                remove_tree(Path(original))
            elif (self.folder / copy).is_dir():
                remove_tree(Path(original))
                (self.folder / copy).rename(original)
        self.drop()

    def drop(self) -> None:
        """Keep what was installed."""
        (self.folder / _NOTE).unlink(missing_ok=True)
        remove_tree(self.folder)


def _link(source: str, target: str) -> None:
    """A hard link, or a copy on file systems that know none."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
