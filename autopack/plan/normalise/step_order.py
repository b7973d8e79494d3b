"""Which steps depend on which, as far as numbers, headings and words such as "after" say so."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autopack.plan.normalise.steps import Step
from autopack.plan.normalise.words import stems

_NUMBER = re.compile(r"\d{1,2}$")
_ENOUGH = 0.5
"""The share of a reference's telling words that a step must have to be meant by it."""


def dependencies(steps: Sequence[Step]) -> tuple[list[set[int]], list[str]]:
    """For each step the indices of those it depends on, never in a cycle; and warnings."""
    found: list[set[int]] = [set() for _ in steps]
    warnings: list[str] = []
    for index, step in enumerate(steps):
        placed = any(work.after or work.before for work in step.works)
        if index and not placed and _counts_on(steps[index - 1], step):
            _add(found, index, index - 1)
        for work in step.works:
            if work.after_last and index and work is step.works[0]:
                _add(found, index, index - 1)
            if work.after:
                _after(steps, found, index, work.after, warnings)
            if work.before:
                other = _meant(steps, work.before, index)
                if other is None:
                    warnings.append(f"nothing is found that {work.before!r} could mean")
                elif not _add(found, other, index):
                    warnings.append(f"{work.before!r} would make steps wait for each other")
    return found, warnings


def _counts_on(before: Step, step: Step) -> bool:
    """Return whether the numbers of the text put ``step`` behind the one before it."""
    return before.number is not None and step.number is not None and before.number < step.number


def _after(
    steps: Sequence[Step], found: list[set[int]], index: int, words: str, warnings: list[str]
) -> None:
    other = _meant(steps, words, index)
    if other is None and index:
        other = index - 1
    if other is None:
        warnings.append(f"nothing is found that {words!r} could mean")
    elif not _add(found, index, other):
        warnings.append(f"{words!r} would make steps wait for each other")


def _meant(steps: Sequence[Step], words: str, index: int) -> int | None:
    """Return the step that ``words`` refer to, by its number or by what it is about."""
    number = _NUMBER.search(words.strip())
    if number:
        wanted = int(number[0])
        return next((i for i, s in enumerate(steps) if s.number == wanted and i != index), None)
    about = stems(words)
    scores = [
        (len(about & stems(step.text)) / len(about) if about and i != index else 0.0, -i)
        for i, step in enumerate(steps)
    ]
    best, position = max(scores, default=(0.0, 0))
    return -position if best >= _ENOUGH else None


def _add(found: list[set[int]], index: int, on: int) -> bool:
    """Let ``index`` depend on ``on`` unless that closes a cycle; say whether it was done."""
    waiting, seen = [on], set[int]()
    while waiting:
        step = waiting.pop()
        if step == index:
            return False
        if step not in seen:
            seen.add(step)
            waiting += found[step]
    found[index].add(on)
    return True
