"""An agent that does to its folders whatever it is told, spends 100 tokens and ends well.

Run as a program: ``python vandal.py FILE SCRATCH``, where FILE has a list of operations in JSON.
It follows no link itself, so that whatever changes elsewhere was changed by somebody else. It is
started hundreds of times, so that it loads little.
"""

from __future__ import annotations

import json
import os
import stat
import sys

SPENDS = 100


def main(file: str, scratch: str) -> None:
    places = places_of(os.getcwd(), scratch)
    with open(file, encoding="utf-8") as listed:
        operations = json.load(listed)
    for words in operations:
        try:
            do(places, *words)
        except OSError:
            continue
    usage = {"input_tokens": SPENDS - 10, "cached_input_tokens": 0, "output_tokens": 10}
    print(json.dumps({"type": "turn.completed", "usage": usage}))


def places_of(worktree: str, scratch: str) -> dict[str, str]:
    """The folders by their names; the last three can be reached where nothing confines it."""
    spool = os.path.dirname(scratch)
    return {
        "worktree": worktree,
        "sub": f"{worktree}/sub",
        "git": f"{worktree}/.git",
        "hooks": f"{worktree}/.git/hooks",
        "scratch": scratch,
        "spool": spool,
        "run": os.path.dirname(os.path.dirname(os.path.dirname(spool))),
        "work": os.path.dirname(worktree),
    }


def do(places: dict[str, str], kind: str, place: str, name: str, more: str) -> None:
    """Carry out one operation; what cannot be done raises OSError."""
    folder = places[place]
    if has_link(folder):
        return
    os.makedirs(folder, exist_ok=True)
    path = f"{folder}/{name}"
    if kind == "rename":
        os.rename(path, f"{folder}/{more}")
    elif kind == "move":
        if not has_link(places[more]):
            os.rename(path, f"{places[more]}/{name}")
    elif kind == "chmod":
        found = os.lstat(path).st_mode
        # The mode of what has another name elsewhere, or is a link, is not its own.
        if stat.S_ISDIR(found) or (stat.S_ISREG(found) and os.lstat(path).st_nlink == 1):
            os.chmod(path, 0 if more == "none" else 0o555)
    else:
        remove(path)
        make(kind, folder, name, more)


def make(kind: str, folder: str, name: str, more: str) -> None:
    path = f"{folder}/{name}"
    if kind == "link":
        os.symlink(more, path)
    elif kind == "hard link":
        os.link(more, path, follow_symlinks=False)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        import socket

        os.chdir(folder)
        socket.socket(socket.AF_UNIX).bind(name)
    elif kind == "file":
        with open(path, "w", encoding="utf-8") as file:
            file.write(more)
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate(5_000_000)
    elif kind == "folder":
        os.makedirs(f"{path}/inner/{more.replace('/', '_')[:20]}")
    elif kind == "deep":
        for _ in range(150):
            os.mkdir(path)
            path = f"{path}/deeper"


def has_link(folder: str) -> bool:
    while folder != "/":
        if os.path.islink(folder):
            return True
        folder = os.path.dirname(folder)
    return False


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        for name in os.listdir(path):
            remove(f"{path}/{name}")
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
