"""Looking a folder over before git reads it: repositories inside, and what would make git wait."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.files.untrusted import read_small
from autopack.workspace.changes import GITLINK

_POINTER = re.compile(rb"gitdir: ([^\0\n]+)\n?")
_COMMIT = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\n?")
_REFERENCE = re.compile(rb"ref: (refs/[^\0\n]+)\n?")
_LONGEST = 4096
_FEW = 2_000


def repositories(root: Path) -> list[str]:
    """Return the folders below ``root`` that have a ``.git`` of their own, outer ones first.

    Special files where git would open one and wait for ever are removed: such as a FIFO called
    ``.gitignore``. Links in place of a ``.git`` go as well. No link is followed.
    """
    found: list[str] = []
    left = [""]
    while left:
        prefix = left.pop()
        for entry in _entries(Path(root, prefix)):
            name = entry.name
            if name == ".git" and not prefix:
                continue
            if name.lower().startswith(".git"):
                stays = _disarm(entry)
                if name == ".git":
                    if stays:
                        found.append(prefix.removesuffix("/"))
                    continue
            if entry.is_dir(follow_symlinks=False):
                left.append(f"{prefix}{name}/")
    return sorted(found)


@dataclass(frozen=True)
class Repository:
    """A ``.git`` that an agent could write, read as a file: no git command ever gets it.

    ``head`` is the commit that its HEAD names, as far as plain files tell. ``owner`` is the git
    folder of the repository that it is a linked worktree of, None when it is none.
    """

    head: str | None
    owner: Path | None

    @classmethod
    def read(cls, folder: Path) -> Repository:
        """Return the repository that ``folder`` is the checkout of."""
        place = folder / ".git"
        owner = None
        if place.is_file() and not place.is_symlink():
            pointer = _POINTER.fullmatch(read_small(place, _LONGEST) or b"")
            if pointer is None:
                return cls(None, None)
            place = Path(os.path.normpath(folder / os.fsdecode(pointer[1])))
            if place.parent.name == "worktrees":
                owner = place.parent.parent
        return cls(_head(place), owner)

    def is_worktree_of(self, git_dir: Path) -> bool:
        """Return whether it is a linked worktree of the repository with this git folder."""
        return self.owner is not None and os.path.realpath(self.owner) == os.path.realpath(git_dir)


def _head(git_dir: Path) -> str | None:
    text = read_small(git_dir / "HEAD", _LONGEST) or b""
    reference = _REFERENCE.fullmatch(text)
    if reference is not None and b".." not in reference[1]:
        text = read_small(git_dir / os.fsdecode(reference[1]), _LONGEST) or b""
    commit = _COMMIT.fullmatch(text)
    return None if commit is None else commit[1].decode("ascii")


def _disarm(entry: os.DirEntry[str]) -> bool:
    """Remove what git would wait for; return whether there is something left."""
    with contextlib.suppress(OSError):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode) and entry.name == ".git":
            _disarm_folder(entry.path)
        elif entry.name == ".git" if stat.S_ISLNK(mode) else not _is_plain(mode):
            Path(entry.path).unlink()
            return False
        return True
    return False


def _is_plain(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _disarm_folder(folder: str) -> None:
    left = [folder]
    while left:
        for entry in _entries(Path(left.pop())):
            if entry.is_dir(follow_symlinks=False):
                left.append(entry.path)
            elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        # Closed to us, or deeper than a path can be: git sees none of it either.
        return []


def may_hold_more(folder: Path, modes: Mapping[str, str], folders: Collection[str]) -> bool:
    """Return whether something may lie in a workspace that its commit lacks.

    The commit has the paths of ``modes``, with git's mode of each, and ``folders``. Of few files,
    it is seen sooner than git is started to clean; of many, it is not looked for.
    """
    if len(modes) > _FEW:
        return True
    known, waiting = set(folders), [""]
    while waiting:
        at = waiting.pop()
        for entry in os.scandir(folder / at):
            path, is_folder = f"{at}{entry.name}", entry.is_dir(follow_symlinks=False)
            if is_folder and path in known:
                waiting.append(f"{path}/")
            elif path != ".git" and (path not in modes or is_folder != (modes[path] == GITLINK)):
                return True
    return False
