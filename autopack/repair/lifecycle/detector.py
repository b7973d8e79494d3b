"""Which detector a pattern is: what is measured of one version says nothing of another."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from autopack.repair.patterns.declarative import DeclarativePattern
from autopack.repair.patterns.failure_pattern import FailurePattern
from autopack.repair.patterns.pattern_registry import BUILTIN

OWN = "own"
"""The mitigation of a pattern that is a class: what it proposes itself."""

EVERYWHERE = ""
"""The repository of what is measured over all of them."""


class Origin(StrEnum):
    """Where a pattern comes from."""

    BUILT_IN = "built in"
    INSTALLED = "installed"
    HOME = "home"
    REPOSITORY = "repository"


@dataclass(frozen=True)
class Detector:
    """One version of a pattern: its digest changes with everything that it detects or does."""

    pattern_id: str
    version: int
    digest: str
    mitigation: str

    @property
    def acts(self) -> bool:
        """Whether it has something to do once it may."""
        return self.mitigation != "none"


def detector_of(pattern: FailurePattern) -> Detector:
    """Return the identity of a pattern as it is loaded now."""
    if isinstance(pattern, DeclarativePattern):
        says = [
            pattern.pattern_id,
            pattern.version,
            pattern.literal,
            pattern.line.text,
            pattern.mitigation,
            pattern.arguments,
            pattern.files,
            pattern.types,
        ]
        digest = _digest(json.dumps(says, sort_keys=True, ensure_ascii=False).encode())
        return Detector(pattern.pattern_id, pattern.version, digest, pattern.mitigation)
    version = getattr(pattern, "version", 1)
    number = version if isinstance(version, int) else 1
    digest = _digest(f"{pattern.pattern_id}\n{number}\n{_source(type(pattern))}".encode())
    return Detector(pattern.pattern_id, number, digest, OWN)


def is_built_in(pattern_id: str) -> bool:
    """Return whether a pattern is one of Autopack's own, which act from the start."""
    return pattern_id in {one.pattern_id for one in BUILTIN}


def origin_of(pattern: FailurePattern) -> Origin:
    """Return where a pattern comes from."""
    if isinstance(pattern, DeclarativePattern):
        return Origin.REPOSITORY if pattern.of_repository else Origin.HOME
    return Origin.BUILT_IN if is_built_in(pattern.pattern_id) else Origin.INSTALLED


@cache
def _source(kind: type) -> str:
    """Return the digest of the file that defines a class."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    try:
        return _digest(Path(file).read_bytes()) if file else ""
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
