"""Taking secrets out of what is kept: text for people and the database, files of a spool."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

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
        if self._bytes is None or not path.is_dir():
            return
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.is_symlink():
                self.file(file)

    def file(self, path: Path) -> None:
        """Rewrite one file, whole or not at all, when it holds a secret."""
        if self._bytes is None or not self._holds_secret(path):
            return
        part = path.with_name(f"{path.name}.redacted")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(self._bytes.sub(MASK.encode(), path.read_bytes()))
        part.replace(path)

    def _holds_secret(self, path: Path) -> bool:
        """Read in pieces that overlap by a secret's length: a spool may be large."""
        if self._bytes is None:
            return False
        before = b""
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                if self._bytes.search(before + piece):
                    return True
                before = piece[-self._longest :]
        return False


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
