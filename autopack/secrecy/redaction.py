"""Taking secrets out of what is kept: text for people and the database, files of a spool."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from autopack.files import safe_files
from autopack.secrecy import spellings
from autopack.secrecy.credentials import MASK
from autopack.secrecy.spellings import Spelling, is_key
from autopack.secrecy.spellings import spellings as of

_CHUNK: Final = 1024 * 1024
# So much a key may take with all that is between its characters, and as many times its length.
_ROOM: Final = 64 * 1024
_SPREAD: Final = 16
# What lies before a place decides how it reads: a half of a character, of an escape.
_CONTEXT: Final = 64


class Redactor:
    """Replaces every known secret by ``[secret]``; without secrets it changes nothing.

    A secret is found in every spelling that `autopack.secrecy.spellings` knows, also when only its
    beginning is told, as error messages do. Values of less than eight characters are words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= spellings.SHORTEST}
        self.tags = frozenset(
            hashlib.sha256(spellings.as_bytes(one)).hexdigest()[:4] for one in known
        )
        """Four digits of a digest of each secret: enough to see which of them are known."""
        found = {spelling for secret in known for spelling in of(secret)}
        self._known = tuple(sorted(found, key=lambda one: one.whole))
        self._keys = tuple(one.uncut() for key in known if is_key(key) for one in of(key))
        longest = max((len(one.whole) for one in found), default=0)
        self._room = max(_ROOM, _SPREAD * longest)

    def text(self, value: str) -> str:
        """``value`` without secrets."""
        if not self._known:
            return value
        raw = value.encode("utf-8", "surrogatepass")
        spans = spellings.find(raw, self._known)
        if not spans:
            return value
        return _masked(raw, spans).decode("utf-8", "surrogatepass")

    def optional(self, value: str | None) -> str | None:
        """``text`` for what may be absent."""
        return None if value is None else self.text(value)

    def folder(self, path: Path) -> None:
        """Rewrite every file below ``path`` that holds a secret; nothing may write there now."""
        if not self._known:
            return
        for file in safe_files.files_below(path):
            self.file(file)

    def file(self, path: Path) -> None:
        """Rewrite one file, whole or not at all, when it holds a secret."""
        if not self._known:
            return
        with suppress(FileNotFoundError), safe_files.open_read(path) as file:
            if not self.is_in(file):
                return
            file.seek(0)
            with safe_files.replacing(path) as target:
                self._copy(file, target)

    def is_in(self, file: BinaryIO) -> bool:
        """Return whether a file holds a secret, reading it in pieces: it may be large."""
        return _is_in(file, self._known, self._room)

    def is_key_in(self, file: BinaryIO) -> bool:
        """Return whether a file holds a whole key: long, and of letters and digits.

        Passwords may be words, which are no reason to refuse a file.
        """
        return _is_in(file, self._keys, self._room)

    def _copy(self, file: BinaryIO, target: BinaryIO) -> None:
        """Write the file without secrets, a piece at a time."""
        held, written, ended = b"", 0, False
        while not ended:
            piece = file.read(_CHUNK)
            held, ended = held + piece, not piece
            # What begins behind this may go on in the next piece.
            sure = len(held) if ended else max(len(held) - self._room, written)
            spans = [
                (max(start, written), end)
                for start, end in spellings.find(held, self._known)
                if start < sure and end > written
            ]
            until = max([sure, *(end for _, end in spans)])
            target.write(
                _masked(held[written:until], [(a - written, b - written) for a, b in spans])
            )
            dropped = max(until - _CONTEXT, 0)
            held, written = held[dropped:], until - dropped


def _is_in(file: BinaryIO, wanted: tuple[Spelling, ...], room: int) -> bool:
    before = b""
    while wanted and (piece := file.read(_CHUNK)):
        if spellings.find(before + piece, wanted):
            return True
        before = (before + piece)[-room - _CONTEXT :]
    return False


def _masked(raw: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    parts: list[bytes] = []
    read = 0
    for start, end in spans:
        parts += (raw[read:start], MASK.encode())
        read = end
    return b"".join((*parts, raw[read:]))
