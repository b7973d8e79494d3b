"""Where things are in a worktree, for patterns that need to know."""

from __future__ import annotations

import os
from pathlib import Path

from autopack.toolchains.tree import Tree


def holding(tree: Tree | None, name: str) -> list[str]:
    """Return the folders that directly hold a file called ``name``, nearest to the root first."""
    return [path for path, folder in tree.folders.items() if name in folder.files] if tree else []


def relative_to_root(root: Path, reported: str) -> str | None:
    """Return the posix path below ``root`` that a tool's message means, or None when it is
    elsewhere.
    """
    path = Path(reported)
    absolute = Path(os.path.normpath(path if path.is_absolute() else root / path))
    for base in (root, root.resolve()):
        if absolute.is_relative_to(base):
            return absolute.relative_to(base).as_posix()
    return None
