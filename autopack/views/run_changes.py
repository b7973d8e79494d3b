"""What a run changed, or one phase or attempt of it: from Autopack's own clone, the user's
repository is not touched.
"""

from __future__ import annotations

from dataclasses import dataclass

from autopack.model.errors import BadInput, NotFound, RepositoryError
from autopack.runs.stored_run import source_of
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.rows import RunRow
from autopack.store.runs import get_attempts, get_phases
from autopack.workspace.git import Git
from autopack.workspace.mirror import Mirror


@dataclass(frozen=True)
class ChangedFile:
    """A file and how many lines were added and removed; None for a binary one."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True)
class RunChanges:
    """The difference between two commits that the clone has."""

    before: str
    after: str
    git: Git

    def files(self) -> list[ChangedFile]:
        """Return the files that differ."""
        told = self.git.run(*_DIFF, "--no-renames", "--numstat", "-z", self.before, self.after)
        found: list[ChangedFile] = []
        for entry in filter(None, told.split("\0")):
            added, removed, path = entry.split("\t", 2)
            found.append(ChangedFile(_readable(path), _count(added), _count(removed)))
        return found

    def text(self, *options: str) -> str:
        """Return the difference as git prints it."""
        return _readable(self.git.run(*_DIFF, *options, self.before, self.after))

    def beginning(self, most: int) -> tuple[str, bool]:
        """Return the first ``most`` bytes of the difference, and whether there is more."""
        told, more = self.git.head(*_DIFF, self.before, self.after, max_bytes=most)
        return told.decode("utf-8", "replace"), more


_DIFF = ("diff", "--no-ext-diff", "--no-color", "--no-textconv")


def run_changes(
    db: Database,
    settings: Settings,
    run: RunRow,
    phase: str | None = None,
    attempt: int | None = None,
) -> RunChanges:
    """Return what a run changed since its base commit, or one phase or attempt of it.

    Without ``attempt``, the last one of the phase that left a commit. Raises NotFound, BadInput,
    and RepositoryError where the clone of this machine does not have the commits.
    """
    before, after = _between(db, run, phase, attempt)
    mirror = Mirror.open(settings.home, source_of(run, None))
    missing = [one for one in (before, after) if not mirror.has(one)]
    if missing:
        raise RepositoryError(
            f"commit {missing[0]} is not in Autopack's clone here: only the machine that made it"
            " has it",
            field="run_id",
            hint=f"autopack fetch {run.run_id}, on that machine",
        )
    return RunChanges(before, after, mirror.git)


def _between(db: Database, run: RunRow, phase: str | None, attempt: int | None) -> tuple[str, str]:
    """Return the commits that are compared."""
    if phase is None:
        if attempt is not None:
            raise BadInput("--attempt needs a phase", field="attempt", hint="name it with --phase")
        if run.head_commit is None:
            raise NotFound(
                f"run {run.run_id} has completed nothing yet",
                field="run_id",
                hint="name an attempt with --phase and --attempt",
            )
        return run.base_commit, run.head_commit
    phases = [row.phase_id for row in get_phases(db, run.run_id)]
    if phase not in phases:
        raise NotFound(
            f"run {run.run_id} has no phase {phase!r}",
            field="phase",
            hint=f"choose one of {', '.join(phases)}",
        )
    made = [one for one in get_attempts(db, run.run_id, phase) if one.commit is not None]
    chosen = made if attempt is None else [one for one in made if one.attempt == attempt]
    if not chosen:
        which = "no attempt" if attempt is None else f"no attempt {attempt}"
        numbers = ", ".join(str(one.attempt) for one in made)
        raise NotFound(
            f"run {run.run_id} has {which} of phase {phase} with a commit",
            field="attempt",
            hint=f"attempts that left one: {numbers}" if made else f"autopack show {run.run_id}",
        )
    return chosen[-1].base_commit, chosen[-1].built_commit


def _readable(text: str) -> str:
    """Return the text of git, whose bytes need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
