"""The repository as a source: the text files of one commit, code and documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autopack.context.repository_files import is_text, listed_files, read_contents
from autopack.model.errors import BadInput, GitFailed
from autopack.research.locator import GitFile, parse_locator, rank_of_path
from autopack.research.sources.git_objects import file_of
from autopack.research.sources.passages import Text, best_passages
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    SourceFacts,
    SourceFailure,
)
from autopack.workspace.git import Git

ORIGIN = "repository"
MOST_HELD = 128 * 1024 * 1024
"""So much of the texts is read; those after them by path are not searched, and that is said."""


class RepositorySource:
    """The files of ``commit``; what the user has not committed is no part of it."""

    name = "repository"

    def __init__(self, git: Git, commit: str) -> None:
        self._git = git
        self._commit = commit
        self._read: list[Text] | None = None
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return the passages of the commit's files that fit best."""
        try:
            if self._read is None:
                self._read = list(self._texts())
            return best_passages(self.name, query, self._read)
        except GitFailed as error:
            raise SourceFailure(self.name, FailureKind.UNREADABLE, error.message) from error

    def read(self, locator: str) -> bytes:
        """Return a file of a commit."""
        try:
            named = parse_locator(locator)
            content = file_of(self._git, named) if isinstance(named, GitFile) else None
        except (BadInput, GitFailed) as error:
            raise SourceFailure(self.name, FailureKind.UNREADABLE, error.message) from error
        if content is None:
            raise SourceFailure(self.name, FailureKind.NOT_FOUND, f"there is no {locator}")
        return content

    def _texts(self) -> Iterator[Text]:
        files = listed_files(self._git, self._commit)
        held = 0
        # Byte for byte, line breaks and all: offsets are of the file as it is.
        contents = read_contents(self._git, files)
        for number, (file, content) in enumerate(zip(files, contents, strict=True)):
            if content is None or not is_text(content):
                continue
            held += len(content)
            if held > MOST_HELD:
                self._note(f"it is too large: {number:,} of {len(files):,} files were searched")
                return
            yield Text(
                str(GitFile(self._commit, file.path, file.blob)),
                file.path,
                content,
                SourceFacts(
                    is_primary=True,
                    rank=rank_of_path(file.path),
                    origin=ORIGIN,
                    version=self._commit,
                    installed_version=self._commit,
                ),
            )

    def _note(self, message: str) -> None:
        self.failures.append(SourceFailure(self.name, FailureKind.TOO_LARGE, message))
