"""Which failure patterns there are, in order of priority: the built-in six and installed ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from autopack.model.errors import BadInput
from autopack.repair.patterns.declarative import DeclarativePattern
from autopack.repair.patterns.failure_pattern import Evidence, FailurePattern, Match
from autopack.repair.patterns.missing_test_discovery import MissingTestDiscovery
from autopack.repair.patterns.node_missing_dep import NodeMissingDep
from autopack.repair.patterns.pattern_files import of_home
from autopack.repair.patterns.permission_error import PermissionDenied
from autopack.repair.patterns.python_missing_dep import PythonMissingDep
from autopack.repair.patterns.scope_mismatch import ScopeMismatch
from autopack.repair.patterns.wrong_working_dir import WrongWorkingDir
from autopack.settings import DISABLE_PATTERNS, home_folder

ENTRY_POINTS = "autopack.failure_patterns"
"""The entry-point group; each entry is a FailurePattern or a class of one without arguments."""

BUILTIN: tuple[FailurePattern, ...] = (
    PythonMissingDep(),
    NodeMissingDep(),
    WrongWorkingDir(),
    ScopeMismatch(),
    MissingTestDiscovery(),
    PermissionDenied(),
)


def patterns(
    *,
    off: Collection[str] = (),
    installed: Iterable[EntryPoint] | None = None,
    declared: Iterable[DeclarativePattern] = (),
) -> tuple[FailurePattern, ...]:
    """Return every pattern that is not switched ``off``, best priority first, built-in before
    installed before ``declared``.

    ``installed`` defaults to the entry points of this environment. Raises BadInput for an entry
    that is not a pattern, for an id used twice, and for an ``off`` that names no pattern.
    """
    found = entry_points(group=ENTRY_POINTS) if installed is None else installed
    known: dict[str, FailurePattern] = {}
    for pattern in (*BUILTIN, *(_load(entry) for entry in found), *declared):
        if pattern.pattern_id in known:
            raise BadInput(
                f"two failure patterns are called {pattern.pattern_id!r}",
                field=ENTRY_POINTS,
                hint="rename one of them, or remove the file or package that brings it",
            )
        known[pattern.pattern_id] = pattern
    for name in off:
        if name not in known:
            raise BadInput(
                f"there is no failure pattern {name!r}",
                field="patterns",
                hint=f"use one of {', '.join(known)}",
            )
    on = [pattern for name, pattern in known.items() if name not in off]
    return tuple(sorted(on, key=lambda pattern: pattern.priority))


def enabled_patterns(
    environ: Mapping[str, str], repository: Iterable[DeclarativePattern] = ()
) -> tuple[FailurePattern, ...]:
    """Return the patterns of this process and its home, and those of a ``repository``: all but
    those that AUTOPACK_DISABLE_PATTERNS lists.

    Raises BadInput naming the variable when it lists one that does not exist, and for a file of
    the home that declares no pattern.
    """
    declared = (*of_home(home_folder(environ)), *repository)
    off = frozenset(DISABLE_PATTERNS.of(environ))
    try:
        return patterns(off=off, declared=declared)
    except BadInput as error:
        if error.field == "patterns":
            error.field = DISABLE_PATTERNS.name
        raise


def matches(evidence: Evidence, among: Sequence[FailurePattern]) -> tuple[Match, ...]:
    """Return every match in the order of ``among``; the first one is the failure's pattern."""
    found = (pattern.detect(evidence) for pattern in among)
    return tuple(match for match in found if match is not None)


def _load(entry: EntryPoint) -> FailurePattern:
    try:
        loaded = entry.load()
        pattern = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise BadInput(
            f"the failure pattern {entry.name!r} ({entry.value}) does not load: {error}",
            field=ENTRY_POINTS,
            hint="fix or uninstall the package that brings it",
        ) from error
    if not isinstance(pattern, FailurePattern):
        raise BadInput(
            f"{entry.value} is not a failure pattern",
            field=ENTRY_POINTS,
            hint="it needs pattern_id, priority, summary, detect() and propose()",
        )
    return pattern
