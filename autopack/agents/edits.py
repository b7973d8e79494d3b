"""Changes that a builder of Autopack's own makes to the worktree, and never beyond it."""

from __future__ import annotations

from pathlib import Path

from autopack.files import safe_files


class OutsideWorktree(Exception):
    """A path that a link of the repository leads out of the worktree, or that git keeps."""


def place_of(worktree: Path, path: str) -> Path:
    """Return where ``path`` of the worktree really lies; links inside it are followed.

    Raises OutsideWorktree for what lies outside, or in a ``.git``.
    """
    root = worktree.resolve()
    try:
        place = (root / path).resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        raise OutsideWorktree(f"{path} leads nowhere") from error
    if place == root or not place.is_relative_to(root):
        raise OutsideWorktree(f"{path} leads outside the worktree")
    if any(part.lower() == ".git" for part in place.relative_to(root).parts):
        raise OutsideWorktree(f"{path} belongs to git")
    return place


def write_file(worktree: Path, path: str, content: str) -> None:
    """Have ``content`` in a file of the worktree. Raises OutsideWorktree."""
    place = place_of(worktree, path)
    safe_files.make_folder(place.parent, below=worktree.resolve())
    safe_files.put(place, content.encode("utf-8"))


def delete_file(worktree: Path, path: str) -> None:
    """Delete a file, a link or a folder of the worktree; no error when there is none.

    A link itself goes, and what it leads to stays. Raises OutsideWorktree.
    """
    *above, name = Path(path).parts
    folder = place_of(worktree, str(Path(*above))) if above else worktree.resolve()
    safe_files.remove(folder / name)
