"""Whether finished runs can be run again from here: what they need has to be there still."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

from pydantic import BaseModel

from autopack.agents.registry import path_options
from autopack.model.errors import BadInput, GitFailed, RepositoryError
from autopack.runs.crew_of_run import crew_of
from autopack.store.database.engine import Database
from autopack.store.rows import RunRow
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import SourceRepository


class LeftOut(BaseModel, frozen=True):
    """An original that is not replayed, and why."""

    run_id: str
    reason: str


def find_lost(
    db: Database, originals: Iterable[RunRow], *, home: Path, pushed: bool
) -> tuple[LeftOut, ...]:
    """Return the originals whose replays could not start, in their order.

    Each repository is looked at once. Where replays are ``pushed``, their remote may have a commit
    that the repository lost.
    """
    opened = cache(_open)
    has = cache(partial(_has, home))

    def reason(original: RunRow) -> str | None:
        if (wrong := _wrong_with_builder(db, original)) is not None:
            return wrong
        source = opened(original.repo)
        if isinstance(source, str):
            return source
        if not (pushed or has(source, original.base_commit)):
            return f"{original.repo!r} no longer has the commit {original.base_commit[:12]}"
        return None

    reasons = ((original.run_id, reason(original)) for original in originals)
    return tuple(LeftOut(run_id=run_id, reason=why) for run_id, why in reasons if why is not None)


def _wrong_with_builder(db: Database, original: RunRow) -> str | None:
    """Return why the plan or the builder cannot be made any more.

    Programs and keys are not looked for: the worker that builds has them, and they come back.
    """
    try:
        crew = crew_of(db, original)
        for place, plan, _ in crew.everyone():
            if path_options(place.builder.name) & crew.options_of(place.builder.name).keys():
                place.builder.check(plan)
    except (BadInput, OSError) as error:
        return str(error)
    return None


def _open(location: str) -> SourceRepository | str:
    """Return the repository, or what is wrong with it."""
    try:
        return SourceRepository.open(location)
    except (RepositoryError, GitFailed, OSError) as error:
        return str(error)


def _has(home: Path, source: SourceRepository, commit: str) -> bool:
    """Return whether the repository has the commit, or Autopack's copy of it has kept it."""
    try:
        return source.resolve(commit) == commit
    except RepositoryError:
        mirror = Mirror.folder(home, source)
        return mirror.is_dir() and Mirror(mirror, source).has(commit)
