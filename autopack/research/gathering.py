"""Gathering: every source is searched, what it brings is numbered, and its bytes are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from autopack.research.evidence import sha256_of
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    Source,
    SourceFacts,
    SourceFailure,
)


@dataclass(frozen=True)
class Numbered:
    """A passage as it was found: its number, from 1, the search, the questions that it is about.

    ``source_sha256`` is the hash of the whole source.
    """

    number: int
    passage: Passage
    query: str
    tool: str
    source_sha256: str
    retrieved_at: datetime


@dataclass(frozen=True)
class Search:
    """One search in every source, and how many passages it brought."""

    text: str
    hits: int


class Gathered:
    """What searching brought so far; it grows with every search.

    ``keep`` stores the bytes of a source under their hash; ``hides`` says which bytes hold a
    secret of the run, and are used for nothing.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        keep: Callable[[bytes], str],
        hides: Callable[[bytes], bool] = lambda _: False,
        now: Callable[[], datetime],
        most_searches: int,
    ) -> None:
        self._sources, self._keep, self._now = sources, keep, now
        self._hides = hides
        self._most = most_searches
        self._passages: dict[tuple[str, int, int], Numbered] = {}
        self._contents: dict[str, bytes] = {}
        self._of: dict[str, dict[int, float]] = {}
        self._failures: dict[str, list[SourceFailure]] = {one.name: [] for one in sources}
        self._hits: dict[str, int] = {one.name: 0 for one in sources}
        self.searches: list[Search] = []

    @property
    def names(self) -> list[str]:
        """Every source, as the plan names it."""
        return [one.name for one in self._sources]

    @property
    def has_room(self) -> bool:
        """Whether another search may be made."""
        return len(self.searches) < self._most

    def search(self, text: str, *, most: int = 6) -> Sequence[Numbered]:
        """Search every source, best passages first, one of each source after the other.

        A search that was made before is not made again; beyond the most there are, none is.
        """
        asked = " ".join(text.split())[:1_000]
        if asked in self._of:
            return self.found_by(asked)
        if not asked or not self.has_room:
            return ()
        query = Query(asked, most=most)
        brought = [self._ask(source, query) for source in self._sources]
        found: dict[int, float] = {}
        for place, passage in enumerate(_interleaved(brought)):
            numbered = self._number(passage, asked)
            if numbered is not None:
                found.setdefault(numbered.number, 1.0 / (1 + place))
        self._of[asked] = found
        self.searches.append(Search(asked, len(found)))
        return self.found_by(asked)

    def found_by(self, text: str) -> Sequence[Numbered]:
        """Return what a search brought, best first."""
        found = self._of.get(" ".join(text.split())[:1_000], {})
        by_number = {one.number: one for one in self._passages.values()}
        return [by_number[number] for number in sorted(found, key=lambda n: (-found[n], n))]

    def best(self) -> Sequence[Numbered]:
        """Return every passage, those first that came first in most searches."""
        total: dict[int, float] = {}
        for found in self._of.values():
            for number, score in found.items():
                total[number] = total.get(number, 0.0) + score
        return sorted(self._passages.values(), key=lambda one: (-total[one.number], one.number))

    def numbered(self, number: int | None) -> Numbered | None:
        """Return the passage of that number; None when there is none."""
        return next((one for one in self._passages.values() if one.number == number), None)

    def content(self, locator: str) -> bytes | None:
        """Return the bytes of a source that was read."""
        return self._contents.get(locator)

    def hash_of(self, source_id: str, locator: str) -> str | None:
        """Return the hash of what a source holds at a locator, whose bytes are kept; None when it
        cannot be read.
        """
        content = self._content(source_id, locator)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def was_searched(self, text: str | None) -> bool:
        """Return whether a search for these words was made."""
        return " ".join((text or "").split())[:1_000] in self._of

    def facts_of(self, locator: str | None) -> SourceFacts | None:
        """Return what is known of a source that was read."""
        known = (one.passage for one in self._passages.values())
        return next((one.facts for one in known if one.locator == locator), None)

    def sources_json(self) -> list[dict[str, object]]:
        """Return what is said of each source in a report: its passages, and what failed."""
        listed: list[dict[str, object]] = []
        for source in self._sources:
            failures = [*self._failures[source.name], *source.failures]
            told = {json.dumps(one.as_json(), sort_keys=True): one for one in failures}
            hits = self._hits[source.name]
            listed.append(
                {
                    "source_id": source.name,
                    "status": "failed" if self._failures[source.name] and not hits else "searched",
                    "passages": hits,
                    "failures": [one.as_json() for one in told.values()],
                }
            )
        return listed

    def digest(self, text: str) -> str:
        """Return a hash of everything that a search brought, and where that is from."""
        found = [
            [one.passage.locator, one.source_sha256, one.passage.start, one.passage.end]
            for one in self.found_by(text)
        ]
        failed = sorted(name for name, failures in self._failures.items() if failures)
        return sha256_of(json.dumps([self.names, failed, sorted(found)]))

    def _ask(self, source: Source, query: Query) -> Sequence[Passage]:
        try:
            return source.search(query)
        except SourceFailure as failure:
            self._failed(source.name, failure)
            return ()

    def _failed(self, name: str, failure: SourceFailure) -> None:
        known = [one.as_json() for one in self._failures[name]]
        if failure.as_json() not in known:
            self._failures[name].append(failure)

    def _number(self, passage: Passage, query: str) -> Numbered | None:
        known = self._passages.get((passage.locator, passage.start, passage.end))
        if known is not None:
            return known
        content = self._content(passage.source_id, passage.locator)
        if content is None:
            return None
        self._hits[passage.source_id] = self._hits.get(passage.source_id, 0) + 1
        made = Numbered(
            number=len(self._passages) + 1,
            passage=passage,
            query=query,
            tool=passage.source_id.partition(":")[0],
            source_sha256=hashlib.sha256(content).hexdigest(),
            retrieved_at=self._now(),
        )
        self._passages[passage.locator, passage.start, passage.end] = made
        return made

    def _content(self, source_id: str, locator: str) -> bytes | None:
        known = self._contents.get(locator)
        if known is not None:
            return known
        source = next((one for one in self._sources if one.name == source_id), None)
        if source is None:
            return None
        try:
            content = source.read(locator)
        except SourceFailure as failure:
            self._failed(source.name, failure)
            return None
        if self._hides(content):
            self._failed(
                source.name,
                SourceFailure(source.name, FailureKind.REFUSED, f"{locator} holds a secret"),
            )
            return None
        if not locator.startswith("git:"):  # a repository keeps its own
            try:
                self._keep(content)
            except SourceFailure as failure:
                self._failed(source.name, failure)
                return None
        self._contents[locator] = content
        return content


def _interleaved(brought: Iterable[Sequence[Passage]]) -> Iterator[Passage]:
    """Yield the best passage of each source, then the next best: scores of two do not compare."""
    for row in zip_longest(*brought):
        yield from (passage for passage in row if passage is not None)
