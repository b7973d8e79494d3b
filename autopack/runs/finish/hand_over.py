"""Handing the commit of an attempt to the user's repository, when the user asks for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from autopack.model.errors import NotFound, RepositoryError
from autopack.model.ids import attempt_ref
from autopack.runs.session.fetch import fetch_missing
from autopack.runs.stored_run import source_of
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import AttemptRow, get_attempts, get_run
from autopack.workspace.mirror import Mirror
from autopack.workspace.user.publishing import hand_over


@dataclass(frozen=True)
class Handed:
    """An attempt's commit and where it is: ``ref`` in the user's repository.

    For a run on a URL there is none to give it to: ``command`` gets it into a clone.
    """

    commit: str
    ref: str
    command: str
    is_there: bool


def fetch_attempt(
    run_id: str,
    phase_id: str,
    attempt: int | None = None,
    *,
    db: Database,
    settings: Settings,
    repo: str | None = None,
) -> Handed:
    """Bring an attempt (the phase's last one where None is named) into the user's repository.

    Under ``refs/autopack/<run>/<phase>/<attempt>``, which no branch, checkout or push shows.
    ``repo`` is this machine's clone where that has another path here. Also for attempts whose
    refs Autopack's own clone archived long ago. Raises NotFound, and RepositoryError when no one
    here has the commit.
    """
    run = get_run(db, run_id)
    found = _attempt(get_attempts(db, run_id, phase_id), run_id, phase_id, attempt)
    if found.commit is None:
        raise NotFound(
            f"attempt {found.attempt} of phase {phase_id} left no commit", field="attempt"
        )
    source = source_of(run, repo)
    mirror = Mirror.open(settings.home, source)
    if not mirror.has(found.commit):
        fetch_missing(mirror, source, run, [found])
    if not mirror.has(found.commit):
        raise RepositoryError(
            f"commit {found.commit} of attempt {found.attempt} is not in Autopack's clone here: "
            "only the machine that made it has it",
            field="attempt",
        )
    ref = attempt_ref(found.key)
    command = f"git fetch {shlex.quote(str(mirror.git_dir))} {found.commit}:{ref}"
    if source.is_url:
        return Handed(found.commit, ref, command, is_there=False)
    hand_over(mirror.git, source, ref, found.commit)
    return Handed(found.commit, ref, command, is_there=True)


def _attempt(
    attempts: list[AttemptRow], run_id: str, phase_id: str, number: int | None
) -> AttemptRow:
    left = [one for one in attempts if one.commit is not None] if number is None else attempts
    for one in reversed(left):
        if number is None or one.attempt == number:
            return one
    which = "attempt with a commit" if number is None else f"attempt {number}"
    raise NotFound(
        f"run {run_id} has no {which} of phase {phase_id}",
        field="attempt",
        hint=f"autopack show {run_id}",
    )
