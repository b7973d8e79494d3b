"""A local folder as a source: its text files, no link followed and none of them too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from autopack.files import safe_files
from autopack.research.locator import Elsewhere, rank_of_path
from autopack.research.sources.passages import Text, best_passages
from autopack.research.sources.source_protocol import (
    MOST_SOURCE_BYTES,
    FailureKind,
    Passage,
    Query,
    SourceFacts,
    SourceFailure,
)
from autopack.secrecy.secret_files import is_secret_file
from autopack.workspace.content.byproducts import byproduct_folder, is_cache

MOST_FILES = 5_000
_MOST_BYTES = 128 * 1024 * 1024


class FolderSource:
    """The files below ``root``, but those that are hidden, made by tools, or hold secrets."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        # A link to the folder is the user's own; one inside it leads elsewhere.
        self._root = root.resolve()
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return the passages of the folder's files that fit best."""
        if not self._root.is_dir():
            raise SourceFailure(
                self.name, FailureKind.NOT_FOUND, f"there is no folder {self._root}"
            )
        return best_passages(self.name, query, self._texts())

    def read(self, locator: str) -> bytes:
        """Return a file of the folder."""
        path = Path(locator.removeprefix("file:"))
        if not locator.startswith("file:") or not path.is_relative_to(self._root):
            raise SourceFailure(self.name, FailureKind.NOT_FOUND, f"not in {self._root}: {locator}")
        content = self._content(path) if ".." not in path.parts else None
        if content is None:
            raise SourceFailure(self.name, FailureKind.NOT_FOUND, f"there is no {locator}")
        return content

    def _texts(self) -> Iterator[Text]:
        held = 0
        for number, path in enumerate(self._files()):
            content = self._content(path) if number < MOST_FILES and held < _MOST_BYTES else None
            if number >= MOST_FILES or held >= _MOST_BYTES:
                self._note(f"it is too large: {number:,} files were searched")
                return
            if content is None or b"\0" in content:
                continue
            held += len(content)
            inside = path.relative_to(self._root).as_posix()
            yield Text(
                str(Elsewhere("file", str(path))),
                inside,
                content,
                SourceFacts(is_primary=False, rank=rank_of_path(inside), origin=self.name),
            )

    def _files(self) -> Iterator[Path]:
        for path in safe_files.files_below(self._root):
            inside = path.relative_to(self._root).as_posix()
            hidden = any(part.startswith(".") for part in inside.split("/"))
            made = is_cache(inside) or byproduct_folder(inside) is not None
            if inside.isprintable() and not hidden and not made and not is_secret_file(inside):
                yield path

    def _content(self, path: Path) -> bytes | None:
        try:
            content = safe_files.read_bytes(path, most=MOST_SOURCE_BYTES)
            content.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None  # gone, a link, too large, or no text
        return content

    def _note(self, message: str) -> None:
        if not self.failures:
            self.failures.append(SourceFailure(self.name, FailureKind.TOO_LARGE, message))
