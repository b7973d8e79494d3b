"""What is in a workspace, and taking a snapshot of it."""

from __future__ import annotations

from pathlib import Path

from autopack.model.ids import AttemptKey
from autopack.workspace import Workspace
from autopack.workspace.workspace import Snapshot

FIRST = {".gitignore": "ignored/\n", "readme.txt": "hello\n", "src/code.py": "x = 1\n"}
"""The files of the first commit."""


def content(folder: Path) -> dict[str, str]:
    """Every file by its path, a link by where it leads; without git's own."""
    return {
        path.relative_to(folder).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and ".git" not in path.relative_to(folder).parts
    }


def snapshot(workspace: Workspace, parent: str, attempt: int = 1) -> Snapshot:
    """What an attempt of run-1 left in the workspace, as a commit on ``parent``."""
    ref = workspace.mirror.attempt_ref(AttemptKey("run-1", "p", attempt))
    return workspace.snapshot(parent=parent, message=f"attempt {attempt}", ref=ref)
