"""What a tree's files are found by: their terms (BM25) and who imports whom; kept by tree."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from autopack.context.import_graph import edges, imported_names
from autopack.context.repository_files import TreeFile, listed_files, read_texts, tree_of
from autopack.context.search_terms import terms
from autopack.files import safe_files
from autopack.workspace.git import Git

if TYPE_CHECKING:  # a quarter of a second, which only a pack is worth
    import numpy as np
    from numpy.typing import NDArray

VERSION = 1
"""Raised when the same tree would be indexed otherwise."""
MOST_READ = 10_000
"""So many files are read; what comes after them by path is found by its path alone."""
MOST_KEPT = 8
_MOST_TERMS = 2_000_000
_MOST_OF_FILE = 20_000
"""Of so many terms at most is an index made, and so many of one file: it may take two seconds."""
_PATH_WEIGHT = 4
_MOST_BYTES = 256 * 1024 * 1024
_MATRIX: tuple[str, ...] = ("data", "indices", "indptr")
"""What each term is worth in each file: a column a term, as compressed sparse columns."""


@dataclass(frozen=True)
class FileIndex:
    """The text files of one tree. ``imports`` are pairs of numbers in ``files``."""

    files: Sequence[TreeFile]
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
    files: list[TreeFile] = []
    numbers: list[list[int]] = []
    imports: list[list[str]] = []
    vocabulary: dict[str, int] = {}
    unread = listed[MOST_READ:]
    most = min(_MOST_OF_FILE, _MOST_TERMS // max(1, min(len(listed), MOST_READ)))
    for file, text in zip(listed[:MOST_READ], read_texts(git, listed[:MOST_READ]), strict=True):
        if text is None:
            continue
        files.append(file)
        found = terms(file.path) * _PATH_WEIGHT + terms(text, most=most)
        numbers.append([vocabulary.setdefault(term, len(vocabulary)) for term in found])
        imports.append(imported_names(file.path, text))
    for file in unread:
        files.append(file)
        found = terms(file.path)
        numbers.append([vocabulary.setdefault(term, len(vocabulary)) for term in found])
        imports.append([])
    if not vocabulary:
        return FileIndex(files, [], {}, {name: np.zeros(0) for name in _MATRIX})
    ranker = BM25()
    ranker.index((numbers, vocabulary), show_progress=False)  # pyright: ignore[reportUnknownMemberType]
    found_in = cast("dict[str, NDArray[Any]]", ranker.scores)  # pyright: ignore[reportUnknownMemberType]
    matrix = {name: found_in[name] for name in _MATRIX}
    return FileIndex(files, edges([file.path for file in files], imports), vocabulary, matrix)


def _saved(index: FileIndex) -> bytes:
    import numpy as np

    about = {
        "files": [[file.path, file.blob, file.size] for file in index.files],
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
