"""What a user should know of a repository before a run starts: what is not as in their checkout."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autopack.workspace.content.submodules import Origin
from autopack.workspace.mirror import Mirror
from autopack.workspace.user import filters

_NAMED = 3


def remarks(mirror: Mirror, commit: str) -> list[str]:
    """Return a sentence for each filter that does not run and each submodule that is not there."""
    found = [_of_filter(name, paths) for name, paths in filters.in_use(mirror.git, commit).items()]
    origin = Origin.of(mirror.source)
    with tempfile.TemporaryDirectory(prefix="autopack-remarks-") as scratch:
        git = replace(mirror.git, index_file=Path(scratch, "index"), work_tree=Path(scratch))
        git.run("read-tree", commit)
        for module in origin.modules_of(git):
            why = module.obtain(mirror.git, module.commit)
            if why is not None:
                found.append(f"submodule {module.path} is left empty: {why}")
    return found


def _of_filter(name: str, paths: Sequence[str]) -> str:
    files = f"{', '.join(paths[:_NAMED])}{' and more' if len(paths) > _NAMED else ''}"
    if name == filters.LFS:
        return (
            f"files in Git LFS are their pointers in builds and checks, and a change of their "
            f"content is refused: {files}"
        )
    return (
        f"the filter {name!r} does not run: builds and checks see what the repository stores of "
        f"{files}"
    )
