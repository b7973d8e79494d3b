"""Results of programs, which cannot be asked again for the same: kept by what they hold."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.research.evidence import sha256_of
from autopack.research.locator import Elsewhere
from autopack.research.rank import Rank
from autopack.research.sources.source_protocol import (
    MOST_PASSAGE_BYTES,
    MOST_SOURCE_BYTES,
    FailureKind,
    Passage,
    Query,
    SourceFacts,
    SourceFailure,
)
from autopack.secrecy.credentials import SHAPES


class KeptResults:
    """What one program answered; a locator's end says by its content which answer it is."""

    def __init__(self, source_id: str, kind: str, origin: str) -> None:
        self._source_id = source_id
        self._kind = kind
        self._origin = origin
        self._contents: dict[str, bytes] = {}

    def passages(self, texts: Sequence[str], query: Query) -> list[Passage]:
        """Return the beginning of each text, in the order of the program that found them."""
        facts = SourceFacts(
            is_primary=False, rank=Rank.PROSE, origin=f"{self._kind}:{self._origin}"
        )
        passages: list[Passage] = []
        # What looks like a key is quoted nowhere.
        free = [text for text in texts if not SHAPES.search(text)]
        for number, text in enumerate(free[: query.most]):
            content = text.encode("utf-8", "replace")[:MOST_SOURCE_BYTES]
            locator = str(Elsewhere(self._kind, f"{self._origin}#{sha256_of(content)[:16]}"))
            self._contents[locator] = content
            shown = content[:MOST_PASSAGE_BYTES]
            passages.append(
                Passage(self._source_id, locator, shown, 0, len(shown), 1.0 / (1 + number), facts)
            )
        return passages

    def read(self, locator: str) -> bytes:
        """Return the whole of an answer. Raises SourceFailure."""
        if locator not in self._contents:
            raise SourceFailure(self._source_id, FailureKind.NOT_FOUND, f"there is no {locator}")
        return self._contents[locator]
