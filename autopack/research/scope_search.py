"""The files that a phase seems to be about, as the repository's text says: a scope to look over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autopack.model.errors import BadInput
from autopack.plan.normalise.normaliser import Normalised
from autopack.plan.plan import PhaseSpec, Scope
from autopack.research.locator import GitFile, parse_locator
from autopack.research.sources.source_protocol import Query, Source, SourceFailure

MOST_FILES = 5
"""So many files are taken for a phase."""


@dataclass(frozen=True)
class Scoped:
    """A phase with the files that were found for it, each by its locator."""

    phase: PhaseSpec
    locators: tuple[str, ...]


def with_scope(found: Normalised, repository: Source) -> Normalised:
    """Return a plan whose phases without a scope may change the files that fit their instructions,
    and what they deliver; a warning names each with its locator.

    A phase for which nothing is found stays free. Raises BadInput when the repository cannot be
    read.
    """
    scoped = [_scoped(phase, repository) for phase in found.plan.phases]
    plan = found.plan.model_copy(update={"phases": tuple(one.phase for one in scoped)})
    warnings = [
        f"scope of {one.phase.id} is from research, look it over: {locator}"
        for one in scoped
        for locator in one.locators
    ]
    paths = dict.fromkeys([*found.scope, *(p for one in scoped for p in one.phase.scope.paths)])
    return replace(found, plan=plan, scope=tuple(paths), warnings=(*found.warnings, *warnings))


def _scoped(phase: PhaseSpec, repository: Source) -> Scoped:
    if phase.scope.paths or phase.research is not None:
        return Scoped(phase, ())
    try:
        passages = repository.search(Query(phase.instructions, paths=phase.deliverables))
    except SourceFailure as failure:
        raise BadInput(failure.message, field="repo") from failure
    found: dict[str, str] = {}
    for passage in passages:
        named = parse_locator(passage.locator)
        if isinstance(named, GitFile) and len(found) < MOST_FILES:
            found.setdefault(named.path, passage.locator)
    if not found:
        return Scoped(phase, ())
    paths: Sequence[str] = list(dict.fromkeys([*phase.deliverables, *found]))
    scope = Scope(paths=tuple(paths), read_only=phase.scope.read_only)
    return Scoped(phase.model_copy(update={"scope": scope}), tuple(found.values()))
