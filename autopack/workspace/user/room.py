"""Whether a run's results can be delivered, asked before anything is paid for."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from autopack.model.errors import BadInput, RepositoryError
from autopack.workspace.git import Finished, Git, failure
from autopack.workspace.source import BRANCH_FOLDER, SourceRepository, without_credentials

_LOOK_SECONDS = 120.0
_PUSH_SECONDS = 600.0
_SAID = re.compile(r"^remote: (.*\S)", re.MULTILINE)
_REFUSED = re.compile(
    r"declined|hook|den(?:y|ied)|hidden|protected|prohibited|not allowed|read-only|permission"
    r"|rule|funny refname",
    re.IGNORECASE,
)


def branch_of(run_id: str) -> str:
    """The full name of the branch that a run's result gets."""
    return f"refs/heads/{BRANCH_FOLDER}/{run_id}"


def check_room(source: SourceRepository, run_id: str, commit: str) -> None:
    """Raise RepositoryError when a new run could not publish its branch; nothing is changed.

    Somebody may have a branch of that name, or one above or below it, or a worktree that waits
    for it; and the repository may be one that cannot be written to.
    """
    if source.is_url:
        return
    source.check_publishable()
    branch = branch_of(run_id)
    taken = _taken(source, branch)
    if taken is not None:
        raise _occupied(taken, source.location, run_id)
    folder = _waiting_worktree(source, branch)
    if folder is not None:
        raise RepositoryError(
            f"the worktree {folder} is on {_short(branch)}, which the result of run {run_id} "
            "would be",
            field="run_id",
            hint="choose another run id, or check out another branch there",
        )
    _try_to_lock(source, branch, commit)


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
    """The user's branch that is in the way of ``branch``."""
    listed = source.git.run("for-each-ref", "--format=%(refname)", f"refs/heads/{BRANCH_FOLDER}")
    setting = source.git.call("config", "--type=bool", "--get", "core.ignoreCase")
    folds = setting.output.strip() == b"true"
    wanted = branch.lower() if folds else branch
    for ref in listed.splitlines():
        there = ref.lower() if folds else ref
        if there == wanted or there.startswith(f"{wanted}/"):
            return ref
    return None


def _waiting_worktree(source: SourceRepository, branch: str) -> str | None:
    """The folder whose HEAD is on ``branch``, though that does not exist yet."""
    folder = ""
    for line in source.git.run("worktree", "list", "--porcelain").splitlines():
        key, _, value = line.partition(" ")
        if key == "worktree":
            folder = value
        elif key == "branch" and value == branch:
            return folder
    return None


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


def _occupied(ref: str, place: str, run_id: str) -> RepositoryError:
    return RepositoryError(
        f"{place} has a branch {_short(ref)}, where the result of run {run_id} would be "
        f"{BRANCH_FOLDER}/{run_id}",
        field="run_id",
        hint=f"choose another run id, or rename it: git branch -m {_short(ref)} NEW",
    )


def _rejected(pushed: Finished) -> list[tuple[str, str]]:
    """The refs that a push could not move, each with what was said."""
    rejected: list[tuple[str, str]] = []
    for line in pushed.output.decode("utf-8", "replace").splitlines():
        fields = line.split("\t")
        if fields[0] == "!" and len(fields) == 3:
            rejected.append((fields[1].partition(":")[2], fields[2]))
    return rejected


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
