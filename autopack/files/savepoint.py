"""Folders as they were before something was installed into them, to go back to.

The copy is made of hard links: it costs no space and little time, and installers replace files
rather than write into them. A note lists what was kept, and is written last, so that a process
that crashed half way leaves either nothing to go back to or everything.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from autopack.files import safe_files
from autopack.files.durable import flush_files, write_whole

_NOTE = "kept.json"


@dataclass(frozen=True)
class Savepoint:
    """The copies in ``folder`` by the folder that each was made of; None where there was none.

    A folder that a link leads to is none: what lies elsewhere is neither kept nor changed.
    """

    folder: Path
    kept: dict[str, str | None]

    @classmethod
    def make(cls, folder: Path, originals: Iterable[Path]) -> Savepoint:
        """Keep the state of ``originals``, which need not exist."""
        safe_files.remove(folder)
        safe_files.make_folder(folder, below=folder.parent)
        kept: dict[str, str | None] = {}
        for number, original in enumerate(dict.fromkeys(originals)):
            there = safe_files.is_folder(original)
            kept[str(original)] = str(number) if there else None
            if there:
                shutil.copytree(original, folder / str(number), symlinks=True, copy_function=_link)
        flush_files(folder)
        write_whole(folder / _NOTE, json.dumps(kept))
        return cls(folder, kept)

    @classmethod
    def left_behind(cls, folder: Path) -> Savepoint | None:
        """Return the savepoint of a process that crashed before it kept or undid its installs."""
        try:
            kept = json.loads(safe_files.read_text(folder / _NOTE))
            if not isinstance(kept, dict):
                raise ValueError(kept)
        except (FileNotFoundError, ValueError):
            safe_files.remove(folder)
            return None
        return cls(folder, cast("dict[str, str | None]", kept))

    def restore(self) -> None:
        """Have every folder as it was. May be repeated when it was cut off."""
        for original, copy in self.kept.items():
            if copy is None:
                safe_files.remove(Path(original))
            elif safe_files.is_folder(self.folder / copy):
                with contextlib.suppress(FileNotFoundError):  # its own folder is gone, or a link
                    safe_files.rename(self.folder / copy, Path(original))
        self.drop()

    def drop(self) -> None:
        """Keep what was installed."""
        safe_files.remove(self.folder / _NOTE)
        safe_files.remove(self.folder)


def _link(source: str, target: str) -> None:
    """A hard link, or a copy on file systems that know none."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
