"""An attempt's commit comes into the user's repository on request, however long ago it was made."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support.projects import fingerprint, git

from autopack.clock import SystemClock
from autopack.model.errors import NotFound
from autopack.model.ids import AttemptKey
from autopack.runs.finish.finish import cancel
from autopack.runs.finish.hand_over import fetch_attempt
from autopack.runs.reconcile.mirror_upkeep import tend_mirrors
from autopack.runs.session.takeover import recover
from autopack.runs.spools.record_build import BuildRecorder
from autopack.secrecy.redaction import Redactor
from autopack.store.leases import release


@pytest.fixture
def ended(ground):
    """A cancelled run with one attempt that left a commit."""
    attempt = ground.start()
    commit = ground.commit(attempt, new="made by an agent")
    ground.note_end(attempt)
    recorder = BuildRecorder(
        ground.db, ground.lease, ground.builder_of, ground.folder, Redactor(())
    )
    recover(recorder, run=ground.run, mirror=ground.mirror, home="h")
    release(ground.db, ground.lease)
    cancel("r", db=ground.db, settings=ground.settings, clock=SystemClock())
    return ground, commit


def test_it_comes_under_a_ref_of_autopacks_and_nothing_else_changes(ended):
    ground, commit = ended
    repository = Path(ground.mirror.source.location)
    before = fingerprint(repository)
    handed = fetch_attempt("r", "one", db=ground.db, settings=ground.settings)
    assert (handed.commit, handed.ref, handed.is_there) == (commit, "refs/autopack/r/one/1", True)
    assert git(repository, "show", "refs/autopack/r/one/1:new") == "made by an agent"
    git(repository, "update-ref", "-d", handed.ref)
    assert fingerprint(repository) == before


def test_also_when_its_ref_was_archived(ended):
    ground, commit = ended
    later = SystemClock().now() + timedelta(days=30)
    assert tend_mirrors(ground.db, ground.settings, later) == (2, 0)
    assert ground.mirror.read_ref(ground.mirror.attempt_ref(AttemptKey("r", "one", 1))) is None
    handed = fetch_attempt("r", "one", 1, db=ground.db, settings=ground.settings)
    assert git(Path(ground.mirror.source.location), "rev-parse", handed.ref).strip() == commit


def test_refs_of_a_run_at_work_and_of_a_recent_one_stay(ground, ended):
    ground, _ = ended
    now = SystemClock().now()
    assert tend_mirrors(ground.db, ground.settings, now) == (0, 0)


def test_what_is_not_there_is_named(ended):
    ground, _ = ended
    for phase, number in (("two", None), ("one", 7), ("nothing", None)):
        with pytest.raises(NotFound, match=phase):
            fetch_attempt("r", phase, number, db=ground.db, settings=ground.settings)
