"""Runs whose process died: resumed, closed when that does not help, and cleaned up after."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.processes import Machine, kill_tree, marked_processes
from support.projects import Project, call, git, make_project

from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.store.tables import runs

pytestmark = pytest.mark.slow

# Without workers: other tests had some on this server, which seem to be there for a while.
SHORT_LEASE = {"AUTOPACK_LEASE_SECONDS": "6", "AUTOPACK_DEPLOYMENT": "nobodys"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    slow = [call(7, response_id="a"), {"delay": 600}, {"files": {"a": "1"}}]
    return make_project(tmp_path / "project", {"one": [slow]})


def die_in_the_middle(machine: Machine, project: Project, run_id: str) -> None:
    """Start a run, kill its process while the builder works, and wait until its lease expired."""
    process = machine.start("run", *project.run_args, "--run-id", run_id, **SHORT_LEASE)
    db = Database.open(machine.database_url)
    spool = machine.home / "runs" / run_id / "spool" / "one" / "1" / "builder.out"
    deadline = time.monotonic() + 90
    while not spool.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_tree(process.pid)
    process.communicate()
    project.hasten()
    while holder_of(db, run_id) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    db.close()


def test_a_run_whose_process_died_goes_on(machine: Machine, project: Project) -> None:
    die_in_the_middle(machine, project, "dead")

    counts = machine.run("reconcile", "--json", **SHORT_LEASE).json  # pyright: ignore[reportArgumentType]

    assert counts["resumed_runs"] == 1
    run = machine.run("show", "dead", "--json").json
    assert run["state"] == "DONE_SUCCESS"
    assert run["tokens"]["total"] == 14, "what the killed build spent counts too"
    assert git(project.repository, "show", f"{run['branch']}:a") == "1"
    assert marked_processes("dead") == []
    again = machine.run("reconcile", "--json", **SHORT_LEASE).json  # pyright: ignore[reportArgumentType]
    assert {name: n for name, n in again.items() if n} == {}


@pytest.mark.full
def test_a_run_that_dies_again_and_again_is_closed(machine: Machine, project: Project) -> None:
    die_in_the_middle(machine, project, "hopeless")
    db = Database.open(machine.database_url)
    db.transact(lambda conn: conn.execute(sa.update(runs).values(recoveries=3)))
    db.close()

    counts = machine.run("reconcile", "--json", **SHORT_LEASE).json  # pyright: ignore[reportArgumentType]

    assert (counts["resumed_runs"], counts["closed_runs"]) == (0, 1)
    run = machine.run("show", "hopeless", "--json").json
    assert run["state"] == "DONE_FAILED_ENVIRONMENT"
    assert "4 times" in run["failure_reason"]
    assert run["tokens"]["total"] == 7


def test_what_the_database_no_longer_knows_is_removed_after_a_while(
    machine: Machine, project: Project
) -> None:
    project.hasten()
    assert machine.run("run", *project.run_args, "--run-id", "kept").code == 0
    folders = machine.home / "runs"
    for run_id in ("forgotten", "recent", "foreign"):
        # As a run of a database that was restored from before it.
        shutil.copytree(folders / "kept", folders / f"{run_id}-gone")
    for run_id in ("foreign-gone", "kept"):  # the home of two databases, with one name in both
        (folders / run_id / "database").write_text("sqlite:///elsewhere.db", encoding="utf-8")
    (folders / "kept" / "work").mkdir()
    long_ago = time.time() - 8 * 24 * 3600
    for run_id in ("forgotten-gone", "foreign-gone"):
        for path in (folders / run_id / "database", folders / run_id):
            os.utime(path, (long_ago, long_ago))

    counts = machine.run("reconcile", "--json").json

    assert counts["removed_runs"] == 1
    left = sorted(path.name for path in folders.iterdir())
    assert left == ["foreign-gone", "kept", "recent-gone"]
    assert (folders / "kept" / "work").is_dir(), "the other database's run works there"
