"""Which files of a repository matter to a task: by words, by imports, by what is named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autopack.context.embedder import Embedder
from autopack.context.file_index import FileIndex
from autopack.context.search_terms import terms
from autopack.model.path_patterns import matches

_NAMED = re.compile(r"[\w./-]*\w\.\w+")
_FAILED, _DELIVERED, _MENTIONED, _IN_SCOPE = 3.0, 2.5, 1.5, 0.5
_IMPORTED = 0.25
_TEST_SHARE = 0.7
_BY_MEANING = 64
"""So many of the best by words are ordered by meaning; to embed a whole repository takes minutes.
"""


@dataclass(frozen=True)
class Task:
    """What a phase is about: its words, the files that it names, what failed before."""

    instructions: str
    goal: str = ""
    deliverables: Sequence[str] = ()
    scope: Sequence[str] = ()
    failure: str = ""

    @property
    def query(self) -> list[str]:
        """The terms to look for: the task's count twice as much as the goal's."""
        own = terms(" ".join([self.instructions, *self.deliverables, self.failure]))
        return own + own + terms(self.goal)


@dataclass(frozen=True)
class Ranked:
    """A file by its number in the index; ``central`` to the task, or only near it."""

    number: int
    score: float
    central: bool


_CENTRAL_RANKS = 6


def ranked(index: FileIndex, task: Task, embedder: Embedder | None = None) -> list[Ranked]:
    """Return the files that have to do with ``task``, the nearest first, ties by path."""
    scores = [float(score) for score in index.scores(task.query)]
    if embedder is not None:
        scores = _by_meaning(index, task, scores, embedder)
    most = max(scores, default=0.0) or 1.0
    own = [max(score, 0.0) / most for score in scores]
    if "test" not in terms(task.instructions):
        for number in index.tests:  # they speak of all that they test, and seldom need the change
            own[number] *= _TEST_SHARE
    boosts = _boosts(index, task)
    near = [one + boost for one, boost in zip(own, boosts, strict=True)]
    total = list(near)
    for one, other in index.imports:
        # Of all files that it imports or that import it, only the nearest counts: a file that
        # everything imports would always come first.
        total[one] = max(total[one], near[one] + _IMPORTED * min(near[other], 1.0))
        total[other] = max(total[other], near[other] + _IMPORTED * min(near[one], 1.0))
    order = sorted(
        (number for number, score in enumerate(total) if score > 0),
        key=lambda number: (-round(total[number], 6), index.files[number].path),
    )
    return [
        Ranked(number, total[number], rank < _CENTRAL_RANKS or boosts[number] >= _MENTIONED)
        for rank, number in enumerate(order)
    ]


def _boosts(index: FileIndex, task: Task) -> list[float]:
    failed, mentioned = _named(task.failure), _named(task.instructions)
    scope = [one for one in task.scope if one not in {".", "./", "**"}]
    found: list[float] = []
    for file in index.files:
        boost = 0.0
        if any(matches(file.path, one) for one in task.deliverables):
            boost = _DELIVERED
        if _is_named(file.path, mentioned):
            boost = max(boost, _MENTIONED)
        if _is_named(file.path, failed):
            boost = max(boost, _FAILED)
        if any(matches(file.path, one) for one in scope):
            boost += _IN_SCOPE
        found.append(boost)
    return found


def _named(text: str) -> frozenset[str]:
    """Return what in a text looks like a file, by its whole name and without its first folders,
    which may be those of another machine.
    """
    names: set[str] = set()
    for found in _NAMED.findall(text):
        parts = found.strip("./").split("/")
        names.update("/".join(parts[start:]) for start in range(len(parts)))
    return frozenset(names)


def _is_named(path: str, names: frozenset[str]) -> bool:
    """Return whether ``names`` has the path, or its last folder and name, or a rare bare name."""
    folder, _, name = path.rpartition("/")
    if name not in names:  # which has the bare name of everything in it
        return False
    last = f"{folder.rpartition('/')[2]}/{name}"
    return name not in _EVERYWHERE or path in names or (bool(folder) and last in names)


_EVERYWHERE = frozenset({"__init__.py", "index.js", "index.ts", "mod.rs", "conftest.py"})


def _by_meaning(
    index: FileIndex, task: Task, scores: list[float], embedder: Embedder
) -> list[float]:
    best = sorted(range(len(scores)), key=lambda n: (-scores[n], index.files[n].path))[:_BY_MEANING]
    best = [number for number in best if scores[number] > 0]
    if not best:
        return scores
    texts = [" ".join(terms(index.files[number].path)) for number in best]
    vectors = embedder.embed([task.instructions, *texts])
    most = max(scores)
    changed = list(scores)
    for number, vector in zip(best, vectors[1:], strict=True):
        changed[number] = scores[number] / most + max(float(vectors[0] @ vector), 0.0)
    floor = min(changed[number] for number in best)
    chosen = frozenset(best)
    return [
        score if number in chosen else min(score / most, floor)
        for number, score in enumerate(changed)
    ]
