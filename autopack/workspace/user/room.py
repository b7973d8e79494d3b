"""Whether a run's results can be delivered, asked before anything is paid for."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from autopack.model.errors import BadInput, RepositoryError
from autopack.workspace.git import Finished, Git, failure
from autopack.workspace.source import BRANCH_FOLDER, SourceRepository, without_credentials

_LOOK_SECONDS = 120.0
_PUSH_SECONDS = 600.0
_SAID = re.compile(r"^remote: (.*\S)", re.MULTILINE)
_LACKING = re.compile(r"bad object (\S+)")
_REFUSED = re.compile(
    r"declined|hook|den(?:y|ied)|hidden|protected|prohibited|not allowed|read-only|permission"
    r"|rule|funny refname",
    re.IGNORECASE,
)


def branch_of(run_id: str) -> str:
    """Return the full name of the branch that a run's result gets."""
    return f"refs/heads/{BRANCH_FOLDER}/{run_id}"


def check_room(source: SourceRepository, run_id: str, commit: str) -> None:
    """Raise RepositoryError when a new run could not publish its branch; nothing is changed.

    Somebody may have a branch of that name, or one above or below it, or a worktree that waits
    for it; and the repository may be one that cannot be written to, or that git fetches nothing
    into, as one of its refs names what it lacks.
    """
    if source.is_url:
        return
    source.check_publishable()
    _check_refs(source)
    branch = branch_of(run_id)
    taken = _taken(source, branch)
    if taken is not None:
        raise _occupied(taken, source.location, run_id)
    folder = _waiting_worktree(source, branch)
    if folder is not None:
        raise _awaited(folder, branch, run_id)
    _try_to_lock(source, branch, commit)


def _check_refs(source: SourceRepository) -> None:
    looked = source.git.call("rev-list", "--quiet", "--max-count=1", "--all")
    lacking = _LACKING.search(looked.errors) if looked.status else None
    if lacking is not None:
        raise RepositoryError(
            f"{lacking[1]} of {source.location} names an object that the repository lacks, so that "
            "git fetches nothing into it",
            field="repo",
            hint=f"delete it (git update-ref -d {lacking[1]}), or fetch what it lacks",
        )


def check_rooms(source: SourceRepository, run_ids: Sequence[str], commit: str) -> None:
    """As `check_room`, for many runs of one commit: the repository is looked at once."""
    if source.is_url or not run_ids:
        return
    check_room(source, run_ids[0], commit)
    there, folds = _branches(source)
    trees = _worktrees(source)
    for run_id in run_ids[1:]:
        branch = branch_of(run_id)
        if (taken := _in_the_way(branch, there, folds=folds)) is not None:
            raise _occupied(taken, source.location, run_id)
        if branch in trees:
            raise _awaited(trees[branch], branch, run_id)


def taken_branch(listed: Iterable[str], run_ids: Sequence[str]) -> tuple[str, str] | None:
    """Return a branch among those ``listed`` that is where one of the runs' would be, and
    that run.
    """
    there = list(listed)
    for run_id in run_ids:
        branch = branch_of(run_id)
        for ref in there:
            if ref == branch or ref.startswith(f"{branch}/") or branch.startswith(f"{ref}/"):
                return ref, run_id
    return None


def check_room_at(
    git: Git, name: str, address: str, run_id: str, commit: str, *options: str
) -> None:
    """Raise BadInput when a new run could not push its branch and its attempts to ``address``.

    ``name`` is what the user calls it. Asks for a push that the other side cannot carry out, a
    branch and one below it at once: what its hooks and rules say of the branch comes before.
    """
    branch = branch_of(run_id)
    base = f"refs/autopack-base/{run_id}"
    asked = (f"refs/heads/{BRANCH_FOLDER}", branch, f"{branch}/*")
    listed = git.run(*options, "ls-remote", "--", address, *asked, timeout=_LOOK_SECONDS)
    for line in listed.splitlines():
        ref = line.partition("\t")[2]
        if ref == branch or ref.startswith(f"{branch}/") or branch.startswith(f"{ref}/"):
            occupied = _occupied(ref, name, run_id)
            raise BadInput(occupied.message, field="push", hint="choose another run id")
    tried = git.call(
        *options, "push", "--porcelain", "--atomic", "--no-verify", "--no-follow-tags",
        "--recurse-submodules=no", "--", address,
        f"{commit}:{branch}", f"{commit}:{branch}/room", f"{commit}:{base}",
        timeout=_PUSH_SECONDS,
    )  # fmt: skip
    for ref, why in _rejected(tried):
        if ref in (branch, base) and _REFUSED.search(why):
            said = "; ".join([why, *_SAID.findall(tried.errors)[:3]])
            raise BadInput(
                f"{name!r} does not take {_short(ref)}: {without_credentials(said)[:600]}",
                field="push",
                hint="allow it there, or push to another repository",
            )


def _taken(source: SourceRepository, branch: str) -> str | None:
    """Return the user's branch that is in the way of ``branch``."""
    there, folds = _branches(source)
    return _in_the_way(branch, there, folds=folds)


def _branches(source: SourceRepository) -> tuple[list[str], bool]:
    """Autopack's branches in the user's repository, and whether their case means nothing."""
    listed = source.git.run("for-each-ref", "--format=%(refname)", f"refs/heads/{BRANCH_FOLDER}")
    setting = source.git.call("config", "--type=bool", "--get", "core.ignoreCase")
    return listed.splitlines(), setting.output.strip() == b"true"


def _in_the_way(branch: str, refs: Iterable[str], *, folds: bool) -> str | None:
    wanted = branch.lower() if folds else branch
    for ref in refs:
        there = ref.lower() if folds else ref
        if there == wanted or there.startswith(f"{wanted}/"):
            return ref
    return None


def _waiting_worktree(source: SourceRepository, branch: str) -> str | None:
    """Return the folder whose HEAD is on ``branch``, though that does not exist yet."""
    return _worktrees(source).get(branch)


def _worktrees(source: SourceRepository) -> dict[str, str]:
    """Return the folder of each branch that a worktree is on."""
    folder, found = "", dict[str, str]()
    for line in source.git.run("worktree", "list", "--porcelain").splitlines():
        key, _, value = line.partition(" ")
        if key == "worktree":
            folder = value
        elif key == "branch":
            found[value] = folder
    return found


def _try_to_lock(source: SourceRepository, branch: str, commit: str) -> None:
    """Begin to make ``branch`` and stop before it is there."""
    objects = Path(source.common_dir or source.location) / "objects"
    if not os.access(objects, os.W_OK):
        raise _unwritable(source, f"{objects} cannot be written to")
    words = f"start\ncreate {branch} {commit}\nprepare\nabort\n"
    tried = source.git.call("update-ref", "--no-deref", "--stdin", input=words)
    with contextlib.suppress(OSError):
        # git leaves it behind when it is empty.
        (objects.parent / "refs" / "heads" / BRANCH_FOLDER).rmdir()
    if tried.status != 0:
        raise _unwritable(source, failure(("update-ref",), tried).message)


def _unwritable(source: SourceRepository, why: str) -> RepositoryError:
    return RepositoryError(
        f"{source.location} cannot be given a branch: {why}",
        field="repo",
        hint="make it writable, or name a clone of it",
    )


def _awaited(folder: str, branch: str, run_id: str) -> RepositoryError:
    return RepositoryError(
        f"the worktree {folder} is on {_short(branch)}, which the result of run {run_id} would be",
        field="run_id",
        hint="choose another run id, or check out another branch there",
    )


def _occupied(ref: str, place: str, run_id: str) -> RepositoryError:
    return RepositoryError(
        f"{place} has a branch {_short(ref)}, where the result of run {run_id} would be "
        f"{BRANCH_FOLDER}/{run_id}",
        field="run_id",
        hint=f"choose another run id, or rename it: git branch -m {_short(ref)} NEW",
    )


def _rejected(pushed: Finished) -> list[tuple[str, str]]:
    """Return the refs that a push could not move, each with what was said."""
    rejected: list[tuple[str, str]] = []
    for line in pushed.output.decode("utf-8", "replace").splitlines():
        fields = line.split("\t")
        if fields[0] == "!" and len(fields) == 3:
            rejected.append((fields[1].partition(":")[2], fields[2]))
    return rejected


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
