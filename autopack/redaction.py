"""Taking secrets out of what is kept: text for people and the database, files of a spool."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from autopack import safe_files

MASK = "[secret]"

_SECRET_NAMES = re.compile(
    r".*(API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|TOKEN).*"
    r"|.*_(KEY|PAT|DSN|PWD)"
)
# Shorter values are words and numbers that occur in any output.
_SHORTEST = 8
_CHUNK = 1024 * 1024


class Redactor:
    """Replaces every known secret by ``[secret]``; without secrets it changes nothing."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _SHORTEST}
        self.tags = frozenset(hashlib.sha256(one.encode()).hexdigest()[:4] for one in known)
        """Four digits of a digest of each secret: enough to see which of them are known."""
        # As it is, and as it is spelled inside a JSON string; the longest first, for one may
        # begin with another.
        spellings = known | {json.dumps(secret)[1:-1] for secret in known}
        ordered = sorted(spellings, key=len, reverse=True)
        self._longest = max((len(one.encode()) for one in ordered), default=0)
        self._text = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._bytes = (
            re.compile(b"|".join(re.escape(one.encode()) for one in ordered)) if ordered else None
        )

    def text(self, value: str) -> str:
        """``value`` without secrets."""
        return value if self._text is None else self._text.sub(MASK, value)

    def optional(self, value: str | None) -> str | None:
        """``text`` for what may be absent."""
        return None if value is None else self.text(value)

    def folder(self, path: Path) -> None:
        """Rewrite every file below ``path`` that holds a secret; nothing may write there now."""
        if self._bytes is None:
            return
        for file in safe_files.files_below(path):
            self.file(file)

    def file(self, path: Path) -> None:
        """Rewrite one file, whole or not at all, when it holds a secret."""
        if self._bytes is None:
            return
        with suppress(FileNotFoundError), safe_files.open_read(path) as file:
            if not self._holds_secret(file):
                return
            file.seek(0)
            with safe_files.replacing(path) as target:
                self._copy(file, target)

    def _holds_secret(self, file: BinaryIO) -> bool:
        """Read in pieces that overlap by a secret's length: a spool may be large."""
        before = b""
        while piece := file.read(_CHUNK):
            if self._bytes is not None and self._bytes.search(before + piece):
                return True
            before = piece[-self._longest :]
        return False

    def _copy(self, file: BinaryIO, target: BinaryIO) -> None:
        """Write the file without secrets, a piece at a time."""
        assert self._bytes is not None  # noqa: S101
        held, ended = b"", False
        while not ended:
            piece = file.read(_CHUNK)
            held, ended = held + piece, not piece
            # What begins behind this may go on in the next piece.
            sure = len(held) if ended else max(len(held) - self._longest, 0)
            written = 0
            for found in self._bytes.finditer(held):
                if found.start() >= sure:
                    break
                target.write(held[written : found.start()] + MASK.encode())
                written = found.end()
            target.write(held[written : max(written, sure)])
            held = held[max(written, sure) :]


def environment_secrets(environ: Mapping[str, str]) -> set[str]:
    """The values in ``environ`` that are secrets by their names, passwords in URLs included."""
    found: set[str] = set()
    for name, value in environ.items():
        if name.upper().endswith("_URL"):
            found |= _password(value)
        elif _SECRET_NAMES.fullmatch(name.upper()) and not _is_path(value):
            found.add(value)
    return found


def url_holds_secret(url: str) -> bool:
    """Whether a URL carries a password, or a parameter whose name says that it is secret."""
    parts = urlsplit(url)
    names = [name.upper().replace("-", "_") for name, _ in parse_qsl(parts.query)]
    return bool(parts.password) or any(
        name == "KEY" or _SECRET_NAMES.fullmatch(name) for name in names
    )


def known_secrets(
    environ: Mapping[str, str], options: Mapping[str, str], secrets: Iterable[str] = ()
) -> set[str]:
    """What a run must not keep: secrets of the environment, of a builder's block (``secrets``),
    and the key that the builder's options name."""
    key = environ.get(options.get("key_env", ""))
    return environment_secrets(environ) | set(secrets) | ({key} if key else set())


def _is_path(value: str) -> bool:
    """Some variables say where a secret lies, which is none."""
    return value.startswith(("/", "~")) or (len(value) > 2 and value[1:3] in (":\\", ":/"))


def _password(url: str) -> set[str]:
    try:
        password = make_url(url).password
    except (ArgumentError, ValueError):
        return set()
    return {password} if password else set()
