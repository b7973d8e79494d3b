"""The file that programs print into: theirs as an open descriptor, and read back by the same one.

What is at its path later is of no account: a program that puts a link there changes nothing of
what Autopack reads, and nothing is written where the link leads.
"""

from __future__ import annotations

import os
from pathlib import Path

from autopack.files import safe_files

_MARK = b" \t\t \t \n"
"""A blank line that nobody prints."""
_NOTED = ".mark"


class Log:
    """Appended to from where it stood when it was opened; made (0600) when it is not there."""

    def __init__(self, path: Path) -> None:
        safe_files.make_folder(path.parent, below=path.parent.parent)
        self.path = path
        self.fd = safe_files.open_append(path, read=True)
        self.start = self.size()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def mark(self) -> None:
        """Begin with a blank line that is gone when a program empties the file, for ``is_whole``.

        A program can open its standard error anew by ``/dev/stderr``, and a shell's ``>`` empties
        the file. What was printed until then is lost.
        """
        safe_files.write(_noted(self.path), str(self.size()))
        os.write(self.fd, _MARK)

    def note(self, text: str) -> None:
        """Add a line of Autopack's own."""
        os.write(self.fd, f"{text}\n".encode("utf-8", "replace"))

    def cut(self, start: int, max_bytes: int) -> bool:
        """Leave at most so many bytes from ``start``; whether there were more."""
        if self.size() - start <= max_bytes:
            return False
        os.ftruncate(self.fd, start + max_bytes)
        return True

    def read(self, max_bytes: int, *, head: int | None = None, start: int = 0) -> str:
        """The beginning and the end of what was printed since ``start``, like `head_and_tail`."""
        return _head_and_tail(self.fd, max_bytes, head, start)


def is_whole(path: Path) -> bool:
    """Return whether a log still has its mark; True for one that never had any, or is not there."""
    try:
        at = int(safe_files.read_bytes(_noted(path), most=32))
        with safe_files.open_read(path) as file:
            file.seek(at)
            return file.read(len(_MARK)) == _MARK
    except (FileNotFoundError, ValueError):
        return True


def _noted(path: Path) -> Path:
    return path.with_name(path.name + _NOTED)


def tail(path: Path, max_bytes: int) -> str:
    """Return the last ``max_bytes`` of a file as text, "" when there is no such file."""
    return head_and_tail(path, max_bytes, head=0)


def head_and_tail(path: Path, max_bytes: int, *, head: int | None = None, start: int = 0) -> str:
    """The beginning and the end of a file as text, with a line that says what was left out.

    Together at most ``max_bytes`` of the file from ``start``; ``head`` of them (a quarter unless
    told) from its beginning.
    """
    try:
        with safe_files.open_read(path.absolute()) as file:
            return _head_and_tail(file.fileno(), max_bytes, head, start)
    except FileNotFoundError:
        return ""


def _head_and_tail(fd: int, max_bytes: int, head: int | None, start: int) -> str:
    size = os.fstat(fd).st_size - start
    first = max_bytes // 4 if head is None else min(head, max_bytes)
    if size <= max_bytes:
        return _read(fd, max_bytes, start).decode("utf-8", "replace")
    beginning = _read(fd, first, start)
    end = _read(fd, max_bytes - first, start + size - (max_bytes - first))
    # A character cut in two belongs to what was left out.
    while end and end[0] & 0xC0 == 0x80:
        end = end[1:]
    text = end.decode("utf-8", "replace")
    if not first:
        return text
    left_out = size - max_bytes
    return f"{beginning.decode('utf-8', 'ignore')}\n[... {left_out} bytes left out ...]\n{text}"


def _pread(fd: int, most: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, most, offset)
    os.lseek(fd, offset, os.SEEK_SET)  # what is open for appending writes at the end all the same
    return os.read(fd, most)


def _read(fd: int, most: int, offset: int) -> bytes:
    """Up to ``most`` bytes from ``offset``; the place that programs write at stays as it is."""
    pieces: list[bytes] = []
    while most > 0 and (piece := _pread(fd, most, offset)):
        pieces.append(piece)
        most, offset = most - len(piece), offset + len(piece)
    return b"".join(pieces)
