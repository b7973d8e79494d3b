"""What has to be true when the runs have ended, whatever happened on the way."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from autopack.ledger.check import check
from autopack.ledger.events.usage_events import token_totals
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.process import leftovers
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.leases import holder_of
from autopack.store.runs import get_attempts, get_phases, get_run


def findings(
    db: Database, settings: Settings, run_ids: Sequence[str], *, given_up: Collection[str] = ()
) -> list[str]:
    """Everything that is wrong, in words; empty when nothing is.

    All runs have to have succeeded but those ``given_up``.
    """
    found = [f"the database disagrees with itself: {row}" for row in check(db)]
    for run_id in run_ids:
        wrong = [] if run_id in given_up else _of_work(db, run_id)
        wrong += _of_what_is_left(db, settings, run_id)
        found += [f"{run_id}: {text}" for text in wrong]
    return found


def _of_work(db: Database, run_id: str) -> list[str]:
    """Return whether every phase was built and passed once."""
    run = get_run(db, run_id)
    if run.state is not RunState.DONE_SUCCESS:
        return [f"ended as {run.state}: {run.failure_reason}"]
    found: list[str] = []
    attempts = get_attempts(db, run_id)
    for phase in get_phases(db, run_id):
        mine = [attempt for attempt in attempts if attempt.phase_id == phase.phase_id]
        numbers = [attempt.attempt for attempt in mine]
        built = [attempt for attempt in mine if attempt.is_counted]
        passed = sum(attempt.state is AttemptState.PASSED for attempt in mine)
        if phase.state is not PhaseState.COMPLETE or phase.revision:
            found.append(f"phase {phase.phase_id} is {phase.state}, revision {phase.revision}")
        if numbers != list(range(1, len(mine) + 1)):
            found.append(f"attempts of {phase.phase_id} are numbered {numbers}")
        if passed != 1 or len(built) != 1:
            found.append(f"{phase.phase_id} was built {len(built)} times and passed {passed} times")
    return found


def _of_what_is_left(db: Database, settings: Settings, run_id: str) -> list[str]:
    """Return whether all that was spent is known, and nothing runs or is left over."""
    found: list[str] = []
    totals = token_totals(db, run_id)
    folder = find_folder(settings.home, db, run_id)
    served = tokens_served(folder)
    if totals.total != served:
        found.append(f"the ledger has {totals.total:,} tokens, the provider served {served:,}")
    if totals.unreconciled_calls:
        found.append(f"{totals.unreconciled_calls} calls are unreconciled")
    if holder_of(db, run_id) is not None:
        found.append("its lease is still held")
    if (folder / "work").exists():
        found.append("its checkout is still there")
    strays = leftovers.find(AUTOPACK_RUN=run_id)
    if strays:
        found.append(f"processes still there: {len(strays)}")
    return found


def tokens_served(run_folder: Path) -> int:
    """Return what the simulated provider counted itself, call by call."""
    total = 0
    for path in (run_folder / "spool").glob("*/*/builder.out"):
        for line in path.read_text(encoding="utf-8").splitlines():
            spent = json.loads(line).get("call", {})
            total += sum(int(spent.get(part, 0)) for part in ("input", "cache_read", "output"))
    return total
