"""What crashed processes left behind, on this machine and in the database, and its removal."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil

from autopack.clock import Clock
from autopack.files import safe_files
from autopack.files.home_id import home_id
from autopack.files.untrusted import remove_tree
from autopack.ledger.recorder import ingest_all
from autopack.model.errors import DatabaseRefused, Refused
from autopack.model.states import RunState
from autopack.process import leftovers
from autopack.process.scratch import Scratch
from autopack.runs.finish.finish import end_abandoned
from autopack.runs.spools.conversations import forget_conversations, has_conversations
from autopack.runs.spools.late_usage import count_returned
from autopack.runs.spools.redact_spools import redact_all
from autopack.runs.stored_run import is_here
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.folder_note import note_of, our_folders
from autopack.store.leases import abandoned_runs, holder_of
from autopack.store.reading import states_of, uncounted_attempts
from autopack.store.rows import RunRow
from autopack.store.runs import find_run, get_run, note_recovery_try
from autopack.workspace.git import Git
from autopack.workspace.mirror import run_refs
from autopack.workspace.workspace import Workspace

MOST_RECOVERIES = 3
"""How often a run is resumed for a holder that fell silent without completing an attempt, before
it is closed."""

_LONGEST_PAUSE = 3600.0
_PAGE = 500

GRACE = timedelta(days=7)
"""How long the folder of a run that the database no longer knows is kept."""

_log = logging.getLogger("autopack")
_MARK = re.compile(r"(\d+)-[0-9a-f]{16}")


@dataclass(frozen=True)
class Cleaned:
    """How much of each kind there was."""

    ended_processes: int
    removed_workspaces: int
    removed_runs: int
    ingested_events: int


def abandoned_here(db: Database) -> list[str]:
    """Return the runs whose lease expired and that this machine can resume.

    A run of a folder that it does not have is left to machines that do, and to
    `autopack resume --repo`.
    """
    return [run_id for run_id in abandoned_runs(db) if is_here(get_run(db, run_id))]


def claim_recovery(db: Database, run_id: str, *, seen: int) -> bool:
    """Return whether a run whose holder crashed may be resumed, a try that is noted; False when it
    was resumed often enough without completing an attempt since.

    The try counts once it has taken the run over: one that finds the remote unreachable says
    nothing about the run. ``seen`` is how many recoveries had been counted when the crashed holder
    was set to work; where there are more, another resumed the run already.
    """
    run = get_run(db, run_id)
    if run.recoveries > seen:
        return True
    if _since_progress(run) >= MOST_RECOVERIES:
        return False
    note_recovery_try(db, run_id)
    return True


def seconds_until_due(db: Database, run_id: str, lease_seconds: float) -> float:
    """Return how long to leave a run alone before it is resumed: longer after every try and
    recovery since it last completed an attempt, up to an hour; 0 where there was none."""
    run = get_run(db, run_id)
    before = _since_progress(run) + run.recovery_tries
    if before == 0 or run.recovery_tried_at is None:
        return 0.0
    pause = min(lease_seconds * 2 ** min(before - 1, 16), _LONGEST_PAUSE)
    with db.read() as conn:
        passed = (db.now(conn) - run.recovery_tried_at).total_seconds()
    # A clock that was set back makes nobody wait for longer than that.
    return max(0.0, min(pause - passed, pause))


def _since_progress(run: RunRow) -> int:
    return run.recoveries - run.recoveries_at_progress


def give_up(db: Database, run_id: str, *, settings: Settings, clock: Clock) -> bool:
    """Close a run that crashed as often as a run may; False when somebody took it, or ended it, in
    this moment.
    """
    crashes = _since_progress(get_run(db, run_id)) + 1
    reason = (
        f"its process crashed or stopped responding {crashes} times without completing an attempt"
    )
    state = RunState.DONE_FAILED_ENVIRONMENT
    try:
        end_abandoned(run_id, state, reason, db=db, settings=settings, clock=clock)
    except DatabaseRefused:
        raise  # nobody took it
    except Refused:
        return False
    return True


def clean(db: Database, settings: Settings, *, grace: timedelta = GRACE) -> Cleaned:
    """End processes, remove checkouts and folders that belong to nobody, ingest what waits.

    A run that somebody holds, or that can be resumed, keeps everything; what belongs to another
    database is left alone.
    """
    ended = _end_orphans(db, settings)
    folders = list(our_folders(settings.home, db))
    states = _states(db, [run_id for run_id, _ in folders])
    over = [(run_id, folder) for run_id, folder in folders if _has_ended(states.get(run_id))]
    workspaces = sum(
        _guarded(run_id, partial(_remove_workspace, db, settings.home, run_id, folder))
        for run_id, folder in over
    )
    returned = count_returned(db, settings, environ=process_environment())
    for run_id, folder in over:
        _guarded(run_id, partial(_forget_conversations, db, settings.home, run_id, folder))
    ingested = ingest_all(db, settings.home)
    redact_all(db, settings.home, process_environment())
    runs = sum(
        _guarded(run_id, partial(_remove_run, db, settings.home, run_id, folder, grace))
        for run_id, folder in folders
        if run_id not in states
    )
    return Cleaned(ended, workspaces, runs, returned + ingested.new)


def _states(db: Database, run_ids: Sequence[str]) -> dict[str, RunState]:
    """Return the states of those that are stored: most have ended, and nothing is left to do."""
    found: dict[str, RunState] = {}
    for begin in range(0, len(run_ids), _PAGE):
        found |= states_of(db, run_ids[begin : begin + _PAGE])
    return found


def _has_ended(state: RunState | None) -> bool:
    return state is not None and state.is_final


def _guarded(run_id: str, step: Callable[[], bool]) -> bool:
    """Do it, or log why it failed: what is wrong with one run holds up no other."""
    try:
        return step()
    except DatabaseRefused:
        raise
    except Exception:
        # Whatever it is: folders and repositories hold what agents and disks left in them.
        _log.exception("what run %s left behind is not removed", run_id)
        return False


def _end_orphans(db: Database, settings: Settings) -> int:
    """End what runs left that nobody works on any more, and servers whose process is gone."""
    prefect_home = str(settings.home / "prefect")
    orphans: list[psutil.Process] = []
    for process, environ in leftovers.marked(leftovers.RUN):
        store, run = environ.get(leftovers.STORE), find_run(db, environ[leftovers.RUN])
        if run is None or (store != db.mark and (run.database_id or store != db.address)):
            continue
        if _age(process) > settings.lease_seconds and not _is_worked_on(db, run):
            orphans.append(process)
    for process, environ in leftovers.marked(leftovers.HOLDER):
        holder = _MARK.fullmatch(environ[leftovers.HOLDER])
        is_own_server = environ.get("PREFECT_HOME") == prefect_home
        if holder and is_own_server and not psutil.pid_exists(int(holder[1])):
            orphans.append(process)
    leftovers.end(orphans)
    return len(set(orphans))


def _remove_workspace(db: Database, home: Path, run_id: str, folder: Path) -> bool:
    """Remove the checkouts and the environment of a run that has ended."""
    left = [name for name in ("work", "environment") if safe_files.is_folder(folder / name)]
    if not left or not _is_over(db, run_id):
        return False
    for checkout in safe_files.names(folder / "work"):
        for git_dir in (home / "repositories").glob("*.git"):
            remove_tree(Workspace.private_folder(git_dir, folder / "work" / checkout))
    for name in left:
        with suppress(OSError):
            safe_files.remove(folder / name)
    Scratch.of(folder).sweep()
    return True


def _forget_conversations(db: Database, home: Path, run_id: str, folder: Path) -> bool:
    """Remove the conversations of a run that has ended, once what its builds spent is counted."""
    if not has_conversations(folder) or not _is_over(db, run_id):
        return False
    if uncounted_attempts(db, home_id(home), run_id):
        return False  # they tell the new calls of a conversation from those before
    forget_conversations(folder)
    return True


def _remove_run(db: Database, home: Path, run_id: str, folder: Path, grace: timedelta) -> bool:
    """Remove what is left of a run that its database no longer knows: folder and refs."""
    note = note_of(folder)
    if find_run(db, run_id) is not None or not safe_files.is_file(note):
        return False
    touched = max(safe_files.status(path).st_mtime for path in (folder, note))
    if time.time() - touched < grace.total_seconds():
        return False
    for git_dir in (home / "repositories").glob("*.git"):
        _remove_refs(Git(git_dir=git_dir), folder.name)
    Scratch.of(folder).sweep()
    with suppress(OSError):
        safe_files.remove(folder)
    return True


def _remove_refs(git: Git, name: str) -> None:
    names = git.run("for-each-ref", "--format=delete %(refname)", *run_refs(name))
    if names.strip():
        git.run("update-ref", "--stdin", input=names)


def _is_over(db: Database, run_id: str) -> bool:
    """Return whether the run has ended, and nobody works on it again."""
    run = find_run(db, run_id)
    return run is not None and run.state.is_final and not _is_worked_on(db, run)


def _is_worked_on(db: Database, run: RunRow) -> bool:
    holder = holder_of(db, run.run_id)
    return holder is not None and not holder.is_gone()


def _age(process: psutil.Process) -> float:
    try:
        return time.time() - process.create_time()
    except psutil.Error:
        return 0.0
