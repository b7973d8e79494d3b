"""Keeping a mirror small and quick: refs of ended runs archived, objects packed, under one lock.

Nothing that a ref ever held is lost: an archived commit is a parent of a month's archive commit,
and can be had again by its id. Objects are packed, never pruned, so that this may happen beside
runs at work.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autopack.workspace.git import AUTHOR, EMAIL, Git

ARCHIVE = "refs/autopack-archive"
_OF_RUNS = tuple(
    f"refs/autopack{kind}/" for kind in ("", "-base", "-kept", "-published", "-publishing")
)
_PARENTS = 500
_LOOSE = 2_000
_PACKS = 20
_PACK_SECONDS = 3600.0


@dataclass(frozen=True)
class Packed:
    """What was done to a mirror: refs that were archived, and whether its objects were packed."""

    archived_refs: int = 0
    packed: bool = False


def mirrors(home: Path) -> list[Path]:
    """Return the mirrors of a home."""
    return sorted(path for path in (home / "repositories").glob("*.git") if path.is_dir())


def tend(mirror: Path, has_ended: Callable[[str], bool], now: datetime) -> Packed | None:
    """Archive the refs of runs that ``has_ended`` says are over, by what they are called there.

    Then pack what has become much. None when somebody else is at it.
    """
    git = Git(git_dir=mirror)
    with _alone(mirror) as is_alone:
        if not is_alone:
            return None
        over = {
            ref: commit
            for name, refs in _refs_by_run(git).items()
            if has_ended(name)
            for ref, commit in refs.items()
        }
        if over:
            _archive(git, over, f"{ARCHIVE}/{now:%Y-%m}", now)
        return Packed(len(over), _pack(git))


def _refs_by_run(git: Git) -> Mapping[str, dict[str, str]]:
    listed = git.run("for-each-ref", "--format=%(objectname) %(refname)", *_OF_RUNS)
    found: dict[str, dict[str, str]] = {}
    for line in listed.splitlines():
        commit, _, ref = line.partition(" ")
        found.setdefault(ref.split("/")[2], {})[ref] = commit
    return found


def _archive(git: Git, refs: Mapping[str, str], archive: str, now: datetime) -> None:
    """Have every commit of ``refs`` reachable from ``archive``, and the refs gone, at once."""
    before = git.call("rev-parse", "--verify", "--quiet", archive)
    old = before.output.decode("ascii").strip() if before.status == 0 else ""
    tree = git.run("hash-object", "-t", "tree", "-w", "--stdin", input="").strip()
    commits = sorted(set(refs.values()))
    last = old
    for at in range(0, len(commits), _PARENTS):
        parents = [*([last] if last else []), *commits[at : at + _PARENTS]]
        last = _commit(git, tree, parents, now)
    moves = f"update {archive} {last} {old or '0' * len(last)}\n"
    moves += "".join(f"delete {ref} {commit}\n" for ref, commit in refs.items())
    git.run("update-ref", "--no-deref", "--stdin", input=moves)


def _commit(git: Git, tree: str, parents: Iterable[str], now: datetime) -> str:
    who = f"{AUTHOR} <{EMAIL}> {int(now.timestamp())} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    text = "\n".join([*lines, f"author {who}", f"committer {who}", "", "Attempts of ended runs\n"])
    return git.run("hash-object", "-t", "commit", "-w", "--stdin", input=text).strip()


def _pack(git: Git) -> bool:
    git.run("pack-refs", "--all", "--prune")
    listed = (line.partition(": ") for line in git.run("count-objects", "-v").splitlines())
    counted = {key: int(value) for key, _, value in listed if value.isdigit()}
    if counted["count"] < _LOOSE and counted["packs"] < _PACKS:
        return False
    # What no ref holds stays: a run at work may be about to name it.
    git.run(
        "repack", "-a", "-d", "--keep-unreachable", "--quiet", timeout=_PACK_SECONDS
    )  # fmt: skip
    return True


@contextmanager
def _alone(mirror: Path) -> Generator[bool]:
    """Hold the mirror's lock for maintenance; it goes with the process that holds it."""
    lock = os.open(mirror / "autopack-maintenance", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(lock)
