"""The record of a piece of evidence: a claim, and the exact bytes of a source that it rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
)

from autopack.model.errors import BadInput

_SHA256 = r"^[0-9a-f]{64}$"


class EvidenceKind(StrEnum):
    """What a claim rests on: a quotation, other evidence, or nothing that was checked."""

    QUOTED = "quoted"
    DERIVED = "derived"
    UNVERIFIED = "unverified"


class Quality(StrEnum):
    """How far evidence may be relied upon, by facts of its source alone."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Evidence(BaseModel):
    """One claim with what it rests on; None is what does not apply or is not known.

    ``quote`` stands in the source at ``locator`` from byte ``start`` up to byte ``end``: offsets
    into the bytes of the *whole* source, whose hash is ``source_sha256``. ``quote_sha256`` is the
    hash of ``quote`` in UTF-8. ``source_id`` is the source that was asked, as in a plan's list
    (``repository``, ``installed:NAME``); ``tool`` what read it, ``query`` what it was asked.

    ``follows_from`` are the numbers of other evidence in the same list, from 1: what a derived
    claim follows from. ``absence`` says that the claim is that something is not there: its quote
    is the nearest text that was checked, its query the one that found nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    claim: str = Field(min_length=1)
    kind: EvidenceKind
    source_id: str | None = None
    locator: str | None = None
    quote: str | None = None
    start: int | None = Field(default=None, ge=0, strict=True)
    end: int | None = Field(default=None, ge=0, strict=True)
    source_sha256: str | None = Field(default=None, pattern=_SHA256)
    quote_sha256: str | None = Field(default=None, pattern=_SHA256)
    retrieved_at: AwareDatetime | None = None
    tool: str | None = None
    query: str | None = None
    follows_from: tuple[int, ...] = ()
    absence: bool = False
    quality: Quality | None = None

    @field_validator("claim")
    @classmethod
    def _says_something(cls, claim: str) -> str:
        if not claim.strip():
            raise ValueError("is blank")
        return claim

    @field_serializer("retrieved_at")
    def _in_utc(self, at: datetime | None) -> str | None:
        return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def as_json(self) -> dict[str, Any]:
        """Return the record as it stands in a report."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: object, *, field: str = "evidence") -> Self:
        """Read a record of a report; ``field`` is where it stands there.

        Raises BadInput naming the field at fault. Keys of a newer Autopack are one, too: what they
        say could not be checked.
        """
        if not isinstance(value, Mapping):
            raise BadInput(f"{field}: use an object of a claim and its source", field=field)
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            [first, *_] = error.errors(include_url=False, include_input=False)
            place = ".".join([field, *map(str, first["loc"])])
            message = first["msg"].removeprefix("Value error, ")
            raise BadInput(f"{place}: {message}", field=place) from None


def sha256_of(content: bytes | str) -> str:
    """Return the hash that records carry, of text that of its UTF-8."""
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
