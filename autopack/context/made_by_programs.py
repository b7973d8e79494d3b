"""Which files a program made: nobody changes them by hand, and they have every word in them."""

from __future__ import annotations

import re

_NAMES = re.compile(
    r"[.-]lock(?:\.(?:json|ya?ml|toml))?$|[.-]min\.\w+$|\.map$|^(?:go\.sum|npm-shrinkwrap\.json)$"
    r"|[._]pb2?(?:_grpc)?\.\w+$"
)
_SAYS_SO = re.compile(
    r"\bDO NOT EDIT\b|@generated\b"
    r"|(?i:\b(?:code|file|automatically|auto-?)[ -]?(?:is |was )?(?:auto-?)?generated (?:by|from))"
)
_HEAD_CHARACTERS = 1_000
# Of what people write no line is as long as all are here on average.
_LONG_TEXT, _LONG_LINES = 5_000, 1_000


def is_made_by_program(path: str, text: str) -> bool:
    """Return whether a file is a lock file, minified, or says itself that it is generated."""
    if _NAMES.search(path.rpartition("/")[2]):
        return True
    if len(text) > _LONG_TEXT and len(text) > _LONG_LINES * (text.count("\n") + 1):
        return True
    return _SAYS_SO.search(text, 0, _HEAD_CHARACTERS) is not None
