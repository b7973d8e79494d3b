"""Having the commits of a run here: a clone of its repository, and what another machine made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from autopack.model.errors import AutopackError, GitFailed, RepositoryError
from autopack.model.ids import attempt_ref
from autopack.model.states import AttemptState
from autopack.runs.spools.blame import is_of_content
from autopack.runs.stored_run import source_of
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import AttemptRow, RunRow, get_run
from autopack.workspace.mirror import Mirror
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository

T = TypeVar("T")


def clone_ahead(run_id: str, *, db: Database, settings: Settings, repo: str | None = None) -> None:
    """Clone the run's repository before the run is opened: that needs neither its lease nor a
    server, and takes the longest.

    What goes wrong is left to be said when the run is opened.
    """
    with suppress(AutopackError, OSError):
        Mirror.open(settings.home, source_of(get_run(db, run_id), repo))


def fetch_missing(
    mirror: Mirror, source: SourceRepository, run: RunRow, attempts: Sequence[AttemptRow]
) -> None:
    """Have the commits that the database speaks of, from the remote where they are missing.

    Raises RepositoryError when the run cannot do without one that is nowhere to be found.
    """
    if run.push is None:
        mirror.ensure(run.base_commit, run.run_id)
        return
    refs = refs_of(attempts)
    missing = {ref: commit for ref, commit in refs.items() if not mirror.has(commit)}
    try:
        mirror.ensure(run.base_commit, run.run_id)
    except RepositoryError:
        Remote.named(run.push, source).fetch(mirror, run.run_id, missing)
        if not mirror.has(run.base_commit):
            raise
    else:
        if missing:
            Remote.named(run.push, source).fetch(mirror, run.run_id, missing)
    if run.head_commit is not None and not mirror.has(run.head_commit):
        raise RepositoryError(
            f"commit {run.head_commit} of run {run.run_id} is not in {run.push}: only the machine "
            "that made it has it",
            field="run_id",
            hint=f"resume the run there; what kept it from being pushed: {run.push_error}",
        )


def with_whole_commit(mirror: Mirror, run: RunRow, use: Callable[[], T]) -> T:
    """Return what ``use`` makes of the commit that the run starts from.

    Raises RepositoryError where files of it are missing or damaged: a clone copies what is there.
    """
    try:
        return use()
    except GitFailed as error:
        if error.hint is not None or not is_of_content(error):
            raise
    mirror.fetch_whole(run.base_commit)  # it may have been repaired since it was cloned
    try:
        return use()
    except GitFailed as error:
        raise RepositoryError(
            f"commit {run.base_commit[:12]} of {run.repo} cannot be checked out: {error.message}",
            field="repo",
            hint="git fsck says there what is missing or damaged; once that is repaired, use"
            f" `autopack resume`, and if it fails still, delete Autopack's copy, {mirror.git_dir}",
        ) from error


def refs_of(attempts: Sequence[AttemptRow]) -> dict[str, str]:
    """Return the refs of attempts that left a commit."""
    return {
        attempt_ref(one.key): one.commit
        for one in attempts
        if one.commit is not None and one.state is not AttemptState.STARTED
    }
