"""The program that searches a worktree for the ``api`` builder: one that can be ended.

A pattern may take for ever, and a tree may hold anything. It is run by its source alone, knows
nothing of Autopack, reads what to do from stdin and prints ``path:line:text``.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

_MOST_LINES = 400
_MOST_FILE = 4 * 1024 * 1024
_MOST_IN_ALL = 400 * 1024 * 1024
_LONGEST_LINE = 300
_BAD_PATTERN = 3


def main() -> int:
    """Search as the JSON object on stdin says; 3 means that the pattern is none."""
    asked = json.load(sys.stdin)
    try:
        wanted = re.compile(asked["pattern"])
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        _say(f"{asked['pattern']!r:.200} is not a regular expression: {error}"[:400])
        return _BAD_PATTERN
    found = read = 0
    for path, content in _texts(asked["folder"], asked["passed_over"]):
        read += len(content)
        for number, line in enumerate(content.splitlines(), start=1):
            if wanted.search(line):
                _say(f"{path}:{number}:{line[:_LONGEST_LINE]}")
                found += 1
                if found == _MOST_LINES:
                    _say("... and more")
                    return 0
        if read > _MOST_IN_ALL:
            _say("... and files that were not searched: there are too many")
            return 0
    if not found:
        _say("nothing matches")
    return 0


def wanted(folders: Sequence[str], passed_over: Sequence[str]) -> list[str]:
    """Return the folders that no pattern of ``passed_over`` names, in order."""
    return sorted(
        name for name in folders if not any(fnmatchcase(name, each) for each in passed_over)
    )


def _texts(folder: str, passed_over: Sequence[str]) -> Iterator[tuple[str, str]]:
    for here, folders, files in os.walk(folder):
        folders[:] = wanted(folders, passed_over)
        for name in sorted(files):
            path = f"{here}/{name}"
            content = _read(path)
            if content is not None and b"\0" not in content[:8192]:
                yield os.path.relpath(path), content.decode("utf-8", "replace")


def _read(path: str) -> bytes | None:
    """Return a regular file's first bytes: no link is followed, no FIFO waited for."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.read(file, _MOST_FILE) if stat.S_ISREG(os.fstat(file).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(file)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
