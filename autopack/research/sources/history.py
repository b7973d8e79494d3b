"""The history of a repository as a source: why its lines are as they are, in its authors' words.

Commits are found by their messages (`git log --grep`), by what they added or removed (`-S`), and
by the lines of the files that a question is about (`git blame`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from autopack.context.search_terms import terms
from autopack.model.errors import BadInput, GitFailed
from autopack.research.locator import GitCommit, parse_locator
from autopack.research.rank import Rank
from autopack.research.sources.git_objects import commit_record
from autopack.research.sources.passages import Text, asked_terms, best_passages, forms_of
from autopack.research.sources.repository import ORIGIN
from autopack.research.sources.source_protocol import (
    MOST_PASSAGE_BYTES,
    FailureKind,
    Passage,
    Query,
    SourceFacts,
    SourceFailure,
)
from autopack.workspace.git import Git

_MOST_BY_MESSAGE = 200
_MOST_BY_CHANGE = 5
_MOST_BY_LINE = 10
_MOST_TERMS = 6
_MOST_FILES = 3
_MOST_RECORD = 64 * 1024
# What a question calls by its name in code.
_IDENTIFIER = re.compile(
    r"`([^`\s]{3,80})`|\b(\w+_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|\w+(?=\())"
)
_PATH = re.compile(r"(?<![\w/.-])[\w-][\w./-]*\.\w{1,8}\b")
# A stretch of lines as `blame --incremental` tells of it: commit, there, here, and how many.
_STRETCH = re.compile(r"^([0-9a-f]{40}|[0-9a-f]{64}) \d+ (\d+) (\d+)$", re.MULTILINE)


class HistorySource:
    """The commits that lead to ``commit``."""

    name = "history"

    def __init__(self, git: Git, commit: str, *, seconds: float = 30.0) -> None:
        self._git = git
        self._commit = commit
        self._seconds = seconds
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return the commits whose messages fit best, then those that changed what is asked for."""
        by_message = self._tried(self._by_message, query)
        by_change = [*self._tried(self._by_change, query), *self._tried(self._by_line, query)]
        try:
            texts = list(self._texts(dict.fromkeys([*by_message, *by_change])))
        except GitFailed as error:
            raise SourceFailure(self.name, FailureKind.UNREADABLE, error.message) from error
        fitting = best_passages(self.name, query, texts)
        told = {each.locator for each in fitting}
        changing = {str(GitCommit(commit)) for commit in by_change} - told
        # Their messages have other words than the question, and may say why all the same.
        rest = [_whole(self.name, text) for text in texts if text.locator in changing]
        return [*fitting, *rest][: query.most]

    def read(self, locator: str) -> bytes:
        """Return the record of a commit."""
        try:
            named = parse_locator(locator)
            content = commit_record(self._git, named) if isinstance(named, GitCommit) else None
        except (BadInput, GitFailed) as error:
            raise SourceFailure(self.name, FailureKind.UNREADABLE, error.message) from error
        if content is None:
            raise SourceFailure(self.name, FailureKind.NOT_FOUND, f"there is no {locator}")
        return content

    def _tried(self, look: Callable[[Query], Iterable[str]], query: Query) -> list[str]:
        try:
            return list(look(query))
        except GitFailed as error:
            self._note(error.message)
            return []

    def _texts(self, commits: Iterable[str]) -> Iterator[Text]:
        for commit in commits:
            content = commit_record(self._git, GitCommit(commit))
            if content is not None and len(content) <= _MOST_RECORD:
                yield Text(
                    str(GitCommit(commit)),
                    "",
                    content,
                    SourceFacts(is_primary=True, rank=Rank.CHANGELOG, origin=ORIGIN),
                    begin=content.find(b"\n\n") + 2,  # the message
                )

    def _by_message(self, query: Query) -> list[str]:
        asked = asked_terms(query.text)[: 4 * _MOST_TERMS]
        words = [f"--grep={form}" for term in asked for form in sorted(forms_of(term))]
        return self._log("-i", "-F", *words, most=_MOST_BY_MESSAGE) if words else []

    def _by_change(self, query: Query) -> Iterator[str]:
        names = (found[1] or found[2] for found in _IDENTIFIER.finditer(query.text))
        for name in list(dict.fromkeys(names))[:_MOST_TERMS]:
            yield from self._log(f"-S{name}", most=_MOST_BY_CHANGE)

    def _by_line(self, query: Query) -> Iterator[str]:
        asked = set(terms(query.text))
        mentioned = dict.fromkeys([*query.paths, *_PATH.findall(query.text)])
        for path in list(mentioned)[:_MOST_FILES]:
            blamed = self._git.call(
                "blame", "--incremental", self._commit, "--", path, timeout=self._seconds
            )
            text = self._git.call("cat-file", "blob", f"{self._commit}:{path}")
            if blamed.status != 0 or text.status != 0:
                continue  # the file is not there at this commit
            lines = text.output.decode("utf-8", "replace").splitlines()
            wanted = {
                number for number, line in enumerate(lines, 1) if asked.intersection(terms(line))
            }
            yield from list(_last_changes(blamed.output.decode("utf-8", "replace"), wanted))[
                :_MOST_BY_LINE
            ]

    def _log(self, *words: str, most: int) -> list[str]:
        printed = self._git.run(
            "log", f"--max-count={most}", "--format=%H", "--no-show-signature", *words,
            self._commit, "--", timeout=self._seconds,
        )  # fmt: skip
        return printed.split()

    def _note(self, message: str) -> None:
        if message not in {each.message for each in self.failures}:
            kind = FailureKind.TIMED_OUT if "did not end" in message else FailureKind.UNREADABLE
            self.failures.append(SourceFailure(self.name, kind, message))


def _whole(source_id: str, text: Text) -> Passage:
    content = text.content[text.begin :][:MOST_PASSAGE_BYTES]
    end = text.begin + len(content)
    return Passage(source_id, text.locator, content, text.begin, end, 0.0, text.facts)


def _last_changes(blamed: str, wanted: set[int]) -> Iterator[str]:
    """Yield the commits that last changed the wanted lines, by what ``blame`` printed."""
    seen: set[str] = set()
    for found in _STRETCH.finditer(blamed):
        first, count = int(found[2]), int(found[3])
        if found[1] not in seen and wanted.intersection(range(first, first + count)):
            seen.add(found[1])
            yield found[1]
