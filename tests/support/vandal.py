"""An agent that does to its folders whatever it is told, spends 100 tokens and ends well.

Run as a program: ``python vandal.py FILE SCRATCH``, where FILE has a list of operations in JSON.
It follows no link itself, so that whatever changes elsewhere was changed by somebody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
import sys
from pathlib import Path

SPENDS = 100


def main(file: str, scratch: str) -> None:
    places = places_of(Path.cwd(), Path(scratch))
    for words in json.loads(Path(file).read_text(encoding="utf-8")):
        with contextlib.suppress(OSError):
            do(places, *words)
    usage = {"input_tokens": SPENDS - 10, "cached_input_tokens": 0, "output_tokens": 10}
    print(json.dumps({"type": "turn.completed", "usage": usage}))


def places_of(worktree: Path, scratch: Path) -> dict[str, Path]:
    """The folders by their names; the last three can be reached where nothing confines it."""
    return {
        "worktree": worktree,
        "sub": worktree / "sub",
        "git": worktree / ".git",
        "hooks": worktree / ".git" / "hooks",
        "scratch": scratch,
        "spool": scratch.parent,
        "run": scratch.parents[3],
        "work": worktree.parent,
    }


def do(places: dict[str, Path], kind: str, place: str, name: str, more: str) -> None:
    """Carry out one operation; what cannot be done raises OSError."""
    folder = places[place]
    if any(one.is_symlink() for one in (folder, *folder.parents)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if kind == "rename":
        path.rename(folder / more)
        return
    if kind == "chmod":
        found = path.lstat()
        # The mode of what has another name elsewhere, or is a link, is not its own.
        if stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1):
            path.chmod(0 if more == "none" else 0o555)
        return
    remove(path)
    if kind == "link":
        path.symlink_to(more)
    elif kind == "hard link":
        os.link(more, path, follow_symlinks=False)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.chdir(folder)
        socket.socket(socket.AF_UNIX).bind(name)
    elif kind == "file":
        path.write_text(more, encoding="utf-8")
    elif kind == "sparse":
        with path.open("wb") as sparse:
            sparse.truncate(5_000_000)
    elif kind == "folder":
        (path / "inner" / more.replace("/", "_")[:20]).mkdir(parents=True)
    elif kind == "deep":
        for _ in range(150):
            path.mkdir()
            path = path / "deeper"


def remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
