"""A mirror that many runs used: their refs archived, nothing lost, and quick again."""

import fcntl
import os
from datetime import UTC, datetime

import pytest

from autopack.model.ids import AttemptKey
from autopack.workspace.packing import Packed, mirrors, tend

NOW = datetime(2030, 5, 1, tzinfo=UTC)


@pytest.fixture
def many(mirror, base):
    """1,200 attempts of three runs, a commit each."""
    tree = mirror.tree_of(base)
    text = f"tree {tree}\nparent {base}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n"
    folder = mirror.git_dir.parent.parent / "commits"
    folder.mkdir()
    for number in range(1200):
        (folder / str(number)).write_text(f"{text}attempt {number}\n", encoding="utf-8")
    names = "".join(f"{folder}/{number}\n" for number in range(1200))
    made = mirror.git.run("hash-object", "-t", "commit", "-w", "--stdin-paths", input=names).split()
    creations = "".join(
        f"create {mirror.attempt_ref(AttemptKey(f'run-{n % 3}', 'p', n))} {commit}\n"
        for n, commit in enumerate(made)
    )
    mirror.git.run("update-ref", "--stdin", input=creations)
    return made


def test_what_ended_runs_held_is_archived_and_reachable(mirror, base, many, user):
    done = tend(mirror.git_dir, lambda name: name in ("run-0", "run-2"), NOW)
    assert done == Packed(archived_refs=800, packed=False)
    refs = mirror.git.run("for-each-ref", "--format=%(refname)").split()
    assert len([ref for ref in refs if ref.startswith("refs/autopack/run-1/")]) == 400
    # The base of run-1, which the fixture holds, and one archive for all the rest.
    assert [ref for ref in refs if not ref.startswith("refs/autopack/run-1/")] == [
        "refs/autopack-archive/2030-05",
        "refs/autopack-base/run-1",
    ]
    mirror.git.run("gc", "--quiet", "--prune=now")
    assert all(mirror.has(commit) for commit in (many[0], many[2], many[1199], many[1]))
    mirror.git.run("fsck", "--connectivity-only")


def test_a_second_time_adds_to_the_months_archive(mirror, many):
    tend(mirror.git_dir, lambda name: name == "run-0", NOW)
    tend(mirror.git_dir, lambda name: name == "run-2", NOW)
    assert tend(mirror.git_dir, lambda name: name in ("run-0", "run-2"), NOW) == Packed()
    mirror.git.run("gc", "--quiet", "--prune=now")
    assert all(mirror.has(commit) for commit in many)


def test_objects_that_no_ref_holds_survive_the_packing(mirror, many, monkeypatch):
    mirror.git.run("update-ref", "-d", mirror.attempt_ref(AttemptKey("run-1", "p", 1)))
    monkeypatch.setattr("autopack.workspace.packing._LOOSE", 10)
    assert tend(mirror.git_dir, lambda _: False, NOW) == Packed(0, packed=True)
    assert mirror.has(many[1])
    assert "count: 1\n" in mirror.git.run("count-objects", "-v")


def test_one_process_at_a_time(mirror):
    lock = os.open(mirror.git_dir / "autopack-maintenance", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert tend(mirror.git_dir, lambda _: True, NOW) is None
    os.close(lock)
    assert tend(mirror.git_dir, lambda _: False, NOW) == Packed()
    assert mirrors(mirror.git_dir.parent.parent) == [mirror.git_dir]
