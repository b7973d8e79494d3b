"""The secret of a home: what keeps stored hashes and sealed keys useless without the machine.

Processes that share a database need the same one: by the same home, or by AUTOPACK_API_SECRET.
"""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from autopack.files import safe_files
from autopack.files.durable import write_whole
from autopack.settings import API_SECRET


class ApiSecret:
    """A secret from which keys for single purposes are derived. It prints as nothing."""

    def __init__(self, value: bytes, source: str) -> None:
        self._value = value
        self.source = source

    def __repr__(self) -> str:
        return f"ApiSecret({self.source})"

    def digest(self, purpose: str, text: str) -> str:
        """Return the keyed hash of a text, in hexadecimal."""
        return hmac.new(self._derived(purpose), text.encode(), "sha256").hexdigest()

    def sealing_key(self, purpose: str) -> bytes:
        """Return a key as Fernet takes it."""
        return urlsafe_b64encode(self._derived(purpose))

    def _derived(self, purpose: str) -> bytes:
        return hmac.new(self._value, f"autopack api {purpose}".encode(), "sha256").digest()


def api_secret(home: Path, environ: Mapping[str, str]) -> ApiSecret:
    """Return the secret, from the environment or from the home, which gets one when it has none.

    Raises BadInput naming AUTOPACK_API_SECRET when it is too short to be a secret.
    """
    given = API_SECRET.of(environ)
    if given is not None:
        return ApiSecret(given.encode(), "environment")
    return ApiSecret(_of_home(home), "home")


def _of_home(home: Path) -> bytes:
    path = safe_files.make_folder(home / "api", below=home) / "secret"
    with suppress(FileNotFoundError):
        return safe_files.read_bytes(path)
    part = path.with_name(f"secret.{secrets.token_hex(4)}")
    write_whole(part, secrets.token_hex(32))
    with suppress(FileExistsError):
        os.link(part, path)  # the first one wins, and is there whole
    safe_files.remove(part)
    return safe_files.read_bytes(path)
