"""Getting from a run's remote what another machine made of the run."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.model.errors import RepositoryError
from autopack.model.ids import attempt_ref
from autopack.model.states import AttemptState
from autopack.store.runs import AttemptRow, RunRow
from autopack.workspace.mirror import Mirror
from autopack.workspace.remote import Remote
from autopack.workspace.source import SourceRepository


def fetch_missing(
    mirror: Mirror, source: SourceRepository, run: RunRow, attempts: Sequence[AttemptRow]
) -> None:
    """Have the commits that the database speaks of, from the remote where they are missing.

    Raises RepositoryError when the run cannot resumeout one that is nowhere to be found.
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


def refs_of(attempts: Sequence[AttemptRow]) -> dict[str, str]:
    """Return the refs of attempts that left a commit."""
    return {
        attempt_ref(one.key): one.commit
        for one in attempts
        if one.commit is not None and one.state is not AttemptState.STARTED
    }
