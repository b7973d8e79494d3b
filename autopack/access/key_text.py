"""The text of an API key: a prefix that scanners know, 37 random characters, a checksum.

The checksum tells a typing error from a key that was revoked without asking the database.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib

from autopack.model.errors import BadInput

PREFIX = "ap_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 37
_CHECKSUM = 6
SHAPE = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECKSUM}}})")


def new_key() -> str:
    """Return a key that nobody can guess: 37 characters of 62 are 220 bits."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{checksum(body)}"


def checksum(body: str) -> str:
    """Return the CRC-32 of the random part in base 62, six characters."""
    number = zlib.crc32(body.encode())
    digits: list[str] = []
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def check_key(text: str) -> str:
    """Return the key. Raises BadInput when it cannot be one: cut off, mistyped, something else."""
    found = SHAPE.fullmatch(text)
    if found is None or checksum(found[1]) != found[2]:
        raise BadInput(
            "this is not an API key, or it was mistyped",
            field="X-API-Key",
            hint="`autopack api keys create` shows a key once; it begins with ap_",
        )
    return text
