"""An experiment killed in the middle goes on: every arm of every pair runs exactly once."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from support.experiments import Trial, agent, make_trial
from support.processes import Machine, kill_tree

from autopack.ledger.check import check
from autopack.ledger.events.usage_events import token_totals
from autopack.model.states import AttemptState, RunState
from autopack.store.database.engine import Database
from autopack.store.experiment_records import get_pairs
from autopack.store.runs import get_attempts, get_run, list_runs

PAIRS, KILLS = 2, 2


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    slow = agent(1000) | {"seconds": 1.0}
    return make_trial(
        tmp_path / "trial", plans=PAIRS, control=slow, treatment=slow, seed=2, attempts=1
    )


@pytest.mark.slow
def test_a_killed_experiment_goes_on(machine: Machine, trial: Trial) -> None:
    dice = random.Random("killed experiment")
    kills = 0
    while kills < KILLS:
        process = machine.start("ab", "run", str(trial.spec), "--json")
        _wait_for_runs(machine, process, 1 + 2 * kills)
        time.sleep(dice.uniform(0.1, 1.5))
        assert process.poll() is None, process.communicate()
        kill_tree(process.pid)
        process.communicate()
        kills += 1

    answer = machine.run("ab", "run", str(trial.spec), "--json")

    assert answer.code == 0, answer.stderr
    report = answer.json
    assert (report["n_pairs"], report["n_void"], report["finished"]) == (PAIRS, 0, True)
    db = Database.open(machine.database_url)
    pairs = get_pairs(db, report["test_id"])
    runs = Counter(row.run_id for row in list_runs(db).rows)
    assert runs == Counter(run_id for pair in pairs for run_id in pair.runs)
    for run_id in runs:
        assert get_run(db, run_id).state is RunState.DONE_SUCCESS
        attempts = get_attempts(db, run_id)
        assert [one.state for one in attempts].count(AttemptState.PASSED) == 1
        assert all(one.state in (AttemptState.PASSED, AttemptState.INTERRUPTED) for one in attempts)
        assert token_totals(db, run_id).total > 0
    assert check(db) == []
    db.close()
    again = machine.run("ab", "analyse", report["test_id"], "--json")
    assert again.json == report


def _wait_for_runs(machine: Machine, process: subprocess.Popen[str], number: int) -> None:
    """Wait until that many runs were stored, or the experiment has ended."""
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        if _stored(machine) >= number:
            return
        time.sleep(0.1)


def _stored(machine: Machine) -> int:
    db = Database.open(machine.database_url)
    try:
        return len(list_runs(db).rows)
    finally:
        db.close()
