"""`autopack diff`: what a run changed, or one phase or attempt of it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import BadInput, NotFound, RepositoryError
from autopack.runs.stored_run import source_of
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import RunRow, get_attempts, get_phases, get_run
from autopack.workspace.mirror import Mirror
from deployments.cli.shared.output import AsJson, out, print_json


def diff(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    phase: Annotated[str | None, Parameter(help="Only what this phase changed.")] = None,
    attempt: Annotated[
        int | None, Parameter(help="What this attempt at the phase left, also a failed one.")
    ] = None,
    stat: Annotated[
        bool, Parameter(negative="", help="Only the files, and how many lines of each.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show what a run changed since its base commit, or one phase or attempt of it.

    Reads Autopack's own clone; your repository is not touched.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    run = get_run(db, run_id)
    before, after = _between(db, run, phase, attempt)
    mirror = Mirror.open(settings.home, source_of(run, None))
    missing = [one for one in (before, after) if not mirror.has(one)]
    if missing:
        raise RepositoryError(
            f"commit {missing[0]} is not in Autopack's clone here: only the machine that made it"
            " has it",
            field="run_id",
            hint=f"autopack fetch {run_id}, on that machine",
        )
    files = _files(mirror, before, after)
    if as_json:
        text = None if stat else _readable(mirror.git.run("diff", "--no-ext-diff", before, after))
        print_json(
            {"run_id": run_id, "base": before, "commit": after, "files": files, "diff": text}
        )
        return 0
    if not files:
        out.print("nothing was changed")
        return 0
    shape = ["--stat"] if stat else []
    told = mirror.git.run("diff", "--no-ext-diff", "--no-color", *shape, before, after)
    out.print(_readable(told).rstrip())
    return 0


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


def _files(mirror: Mirror, before: str, after: str) -> list[dict[str, object]]:
    told = mirror.git.run("diff", "--no-ext-diff", "--no-renames", "--numstat", "-z", before, after)
    found: list[dict[str, object]] = []
    for entry in filter(None, told.split("\0")):
        added, removed, path = entry.split("\t", 2)
        # Of a binary file git counts no lines.
        found.append({"path": _readable(path), "added": _count(added), "removed": _count(removed)})
    return found


def _readable(text: str) -> str:
    """Return the text of git, whose bytes need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
