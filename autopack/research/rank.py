"""How near to the thing itself a source is."""

from __future__ import annotations

from enum import StrEnum


class Rank(StrEnum):
    """What kind of text it is, nearest to the thing itself first."""

    CODE = "code"
    DOCS = "docs"
    CHANGELOG = "changelog"
    PROSE = "prose"
