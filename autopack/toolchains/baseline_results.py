"""Comparing an attempt's test results with those of the run's base commit.

A failure that was there before is ignored. A test that had a result before and has none now is
not: it may have been lost with a run that broke off. Only tests of a file that the attempt
deleted, which its scope allowed, may be gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from autopack.toolchains.runners import Results

_NAMED = 5


def answerable(before: Results, now: Results, deleted: Collection[str] = ()) -> str | None:
    """Return what an attempt has to answer for; None when all its failures were there before.

    ``deleted`` are the paths that the attempt deleted. "" stands for failures that are plain to
    see in the output.
    """
    if not now.failed <= before.failed:
        new = now.failed - before.failed
        return f"new failures: {named(new)}" if before.failed & now.failed else ""
    if before.ran is not None and now.ran is not None:
        lost = {test for test in before.ran - now.ran if not _is_of(test, deleted)}
        if lost:
            return f"{len(lost)} tests that had a result before have none now: {named(lost)}"
        return None
    if before.count is not None and (now.count is None or now.count < before.count):
        return f"{now.count} tests have a result now, {before.count} had one before"
    return None


def named(tests: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    names = sorted(tests)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _is_of(test: str, deleted: Collection[str]) -> bool:
    """Return whether a test's name tells that it was in one of the deleted files."""
    return any(form in test for path in deleted for form in _forms(path))


def _forms(path: str) -> tuple[str, ...]:
    """Return how runners name the tests of a file: by its path, as a module, by its class."""
    pure = PurePosixPath(path)
    module = ".".join(pure.with_suffix("").parts)
    return (path, f"{module}::", f"{module}.", f"{pure.name} ", f"({module}")
