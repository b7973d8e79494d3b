"""What a tree's files are found by: their terms (BM25) and who imports whom; kept by tree."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from autopack.context.import_graph import edges, imported_names
from autopack.context.made_by_programs import is_made_by_program
from autopack.context.repository_files import TreeFile, listed_files, read_texts, tree_of
from autopack.context.search_terms import terms, terms_of, words
from autopack.files import safe_files
from autopack.workspace.git import Git
from autopack.workspace.protected_tests import is_test

if TYPE_CHECKING:  # a quarter of a second, which only a pack is worth
    import numpy as np
    from numpy.typing import NDArray

VERSION = 4
"""Raised when the same tree would be indexed otherwise."""
MOST_READ = 10_000
"""So many files are read; what comes after them by path is found by its path alone."""
MOST_KEPT = 8
_MOST_INDEXED = 12 * 1024 * 1024
"""So much text makes an index at most, for it may take two seconds: of files that are longer than
others only the beginning.
"""
_MOST_TIMES = 16
"""A term that is in a file more often says no more of it."""
_PATH_WEIGHT = 4
_SATURATION, _LENGTH_WEIGHT = 2.0, 0.9
"""BM25's k1 and b, which found most in tests/bench/context_ranking.py."""
_MOST_BYTES = 256 * 1024 * 1024
_MATRIX: tuple[str, ...] = ("data", "indices", "indptr")
"""What each term is worth in each file: a column a term, as compressed sparse columns."""


@dataclass(frozen=True)
class FileIndex:
    """The text files of one tree. ``imports`` are pairs of numbers in ``files``; ``tests`` the
    numbers of those that are tests.
    """

    files: Sequence[TreeFile]
    tests: Sequence[int]
    imports: Sequence[tuple[int, int]]
    vocabulary: Mapping[str, int]
    matrix: Mapping[str, NDArray[Any]]

    def scores(self, query: Sequence[str]) -> NDArray[np.float32]:
        """Return how well each file answers ``query``, by BM25."""
        import numpy as np

        found = np.zeros(len(self.files), dtype=np.float32)
        data, indices, indptr = (self.matrix[name] for name in _MATRIX)
        for term, times in Counter(query).items():
            if (number := self.vocabulary.get(term)) is not None:
                column = slice(indptr[number], indptr[number + 1])
                found[indices[column]] += times * data[column]
        return found


def indexed(git: Git, commit: str, home: Path | None) -> FileIndex:
    """Return the index of the tree of ``commit``; kept under ``home``, the newest few."""
    if home is None:
        return _built(git, commit)
    folder = home / "context"
    kept = folder / f"{tree_of(git, commit)}-{VERSION}.npz"
    with contextlib.suppress(
        OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile
    ):
        return _loaded(safe_files.read_bytes(kept, most=_MOST_BYTES))
    index = _built(git, commit)
    with contextlib.suppress(OSError):  # a full disk costs the next pack time, and no run
        safe_files.make_folder(folder, below=home)
        _make_room(folder)
        safe_files.write(kept, _saved(index))
    return index


def _built(git: Git, commit: str) -> FileIndex:
    import numpy as np
    from bm25s import BM25

    listed = listed_files(git, commit)
    read, unread = listed[:MOST_READ], listed[MOST_READ:]
    most = _fair_share([file.size for file in read], _MOST_INDEXED)
    files: list[TreeFile] = []
    imports: list[list[str]] = []
    numbers = _TermNumbers()
    found: list[list[int]] = []
    for file, text in zip(read, read_texts(git, read, western=True), strict=True):
        if text is not None:
            files.append(file)
            # By its path alone: its text would answer every question.
            own = "" if is_made_by_program(file.path, text) else text[:most]
            found.append(numbers.of(file.path, own))
            imports.append(imported_names(file.path, text[:most]))
    for file in unread:
        files.append(file)
        found.append(numbers.of(file.path, ""))
        imports.append([])
    tests = [number for number, file in enumerate(files) if is_test(file.path)]
    vocabulary = numbers.vocabulary
    if not vocabulary:
        return FileIndex(files, tests, [], {}, {name: np.zeros(0) for name in _MATRIX})
    ranker = BM25(k1=_SATURATION, b=_LENGTH_WEIGHT)
    ranker.index((found, vocabulary), show_progress=False)  # pyright: ignore[reportUnknownMemberType]
    scores = cast("dict[str, NDArray[Any]]", ranker.scores)  # pyright: ignore[reportUnknownMemberType]
    matrix = {name: scores[name] for name in _MATRIX}
    found_edges = edges([file.path for file in files], imports)
    return FileIndex(files, tests, found_edges, vocabulary, matrix)


class _TermNumbers:
    """Numbers the terms of files in the order in which they appear."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}
        self._by_word: dict[str, list[int]] = {}

    def of(self, path: str, text: str) -> list[int]:
        """Return the numbers of a file's terms, each as often as it counts."""
        by_word, found = self._by_word, list[int]()
        for word, times in Counter(words(text)).items():
            if (numbers := by_word.get(word)) is None:
                numbers = by_word[word] = self._numbered(terms_of(word))
            found += numbers if times == 1 else numbers * min(times, _MOST_TIMES)
        return found + self._numbered(terms(path)) * _PATH_WEIGHT

    def _numbered(self, found: Iterable[str]) -> list[int]:
        return [self.vocabulary.setdefault(term, len(self.vocabulary)) for term in found]


def _fair_share(sizes: Sequence[int], most: int) -> int:
    """Return how much of each may be taken so that all together take at most ``most``."""
    left = most
    for count, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        if size * count >= left:
            return left // count
        left -= size
    return most


def _saved(index: FileIndex) -> bytes:
    import numpy as np

    about = {
        "files": [[file.path, file.blob, file.size] for file in index.files],
        "tests": list(index.tests),
        "imports": list(index.imports),
        "vocabulary": list(index.vocabulary),
    }
    out = io.BytesIO()
    told = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(out, about=told, **index.matrix)  # pyright: ignore[reportArgumentType]
    return out.getvalue()


def _loaded(content: bytes) -> FileIndex:
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        about = json.loads(kept["about"].tobytes())
        matrix = {name: kept[name] for name in _MATRIX}
    return FileIndex(
        [TreeFile(*file) for file in about["files"]],
        about["tests"],
        [(one, other) for one, other in about["imports"]],
        {term: number for number, term in enumerate(about["vocabulary"])},
        matrix,
    )


def _make_room(folder: Path) -> None:
    """Drop the oldest indexes, so that with one more there are at most ``MOST_KEPT``."""
    kept = [folder / name for name in safe_files.names(folder)]
    kept.sort(key=lambda path: safe_files.status(path).st_mtime)
    for path in kept[: max(0, len(kept) - MOST_KEPT + 1)]:
        safe_files.remove(path)
