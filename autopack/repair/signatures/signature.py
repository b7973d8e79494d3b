"""The signature of a failure text: a digest of its telling line without what varies."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from autopack.repair.signatures.identifiers import mask_names, mask_told, without_decoration
from autopack.repair.signatures.masks import mask
from autopack.repair.signatures.telling import EXCEPTION, Rank, telling

SIGNATURE_VERSION = 1
"""Raised with every change that gives any text another signature; older groups stay as they are."""

# Most failures of a project print the same line again and again.
_LINES_KEPT = 30_000

_HEAD = re.compile(
    r"^(?:- )?(?:\[[a-z0-9<*>]+(?:[-_][a-z0-9<>*]+)+\] )?(?:[\[(]?<\*>[\])]?[ ,:;|-]{0,3})*(?=\S)"
)


@dataclass(frozen=True)
class Signed:
    """A text's signature (64 hexadecimal digits), and the normalised line that it is of.

    ``exception`` is the type that the line begins with, without its module; None for most others.
    """

    signature: str
    normalised: str
    line: str
    rank: Rank
    exception: str | None = None


def sign(text: str) -> Signed:
    """Return the signature of one failure text, in time linear in its bounded excerpt."""
    told = telling(text)
    return _signed(told.line, told.rank)


@lru_cache(maxsize=_LINES_KEPT)
def _signed(told: str, rank: Rank) -> Signed:
    line = without_decoration(told)
    # Without places, times and process ids before the message.
    normalised = _HEAD.sub("", mask_told(mask(line)))
    found = EXCEPTION.match(line)
    if rank is Rank.STRUCTURED or found is not None or line.startswith("assert "):
        normalised = mask_names(normalised)
    return Signed(
        signature=digest(normalised),
        normalised=normalised,
        line=line,
        rank=rank,
        exception=None if found is None else re.split(r"[.:]", found["name"])[-1],
    )


def digest(normalised: str) -> str:
    """Return the digest of a normalised line in this version."""
    return hashlib.sha256(
        f"{SIGNATURE_VERSION}\n{normalised}".encode("utf-8", "replace")
    ).hexdigest()
