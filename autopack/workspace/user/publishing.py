"""Giving the user's repository the branch of a run, without touching anything else in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autopack.failpoints import Step, durable
from autopack.model.errors import GitFailed
from autopack.workspace.fence import Fence
from autopack.workspace.git import Git
from autopack.workspace.source import SourceRepository
from autopack.workspace.user.partial import is_partial


@dataclass(frozen=True)
class _Standing:
    """Where the run's branch stands in the user's repository; "" when there is none.

    ``checked_out`` is the folder of the user's that has it checked out, else "".
    """

    commit: str
    checked_out: str = ""


def publish(
    mirror: Git,
    source: SourceRepository,
    run_id: str,
    commit: str,
    *,
    name: str,
    fence: Fence | None = None,
) -> None:
    """Move branch ``autopack/<run_id>`` of ``source`` to ``commit``, by compare-and-swap.

    The branch is ours to move while it stands where this function left it, or would have left it
    before a crash, and it only moves on: never to an ancestor of what was published. ``name`` is
    what the run is called in the mirror, ``fence`` says whether the commit may still be delivered.
    GitFailed when the user moved the branch or has it checked out. A URL is given nothing: to
    servers goes only what a run was told to push.
    """
    if source.is_url:
        return
    branch = f"refs/heads/autopack/{run_id}"
    published = f"refs/autopack-published/{name}"
    intended = f"refs/autopack-publishing/{name}"
    standing = _standing(source, branch)
    ours = mirror.run("for-each-ref", "--format=%(objectname)", published, intended).split()
    if standing.commit != commit:
        _refuse_unless_ours(standing, ours, branch, source, commit)
        _refuse_to_go_back(mirror, ours, branch, commit)
        _fetch(mirror, source, commit)
    elif ours == [commit]:
        return

    def move() -> None:
        if standing.commit != commit:
            mirror.run("update-ref", intended, commit)
            _swap(source, branch, commit, standing.commit)
        done = f"update {published} {commit}\ndelete {intended}\n"
        mirror.run("update-ref", "--stdin", input=done)

    with durable(Step.BRANCH_MOVED):
        (fence or Fence()).deliver(run_id, commit, move)


def hand_over(mirror: Git, source: SourceRepository, ref: str, commit: str) -> None:
    """Have ``ref``, one of Autopack's own names, at ``commit`` in the user's repository."""
    _fetch(mirror, source, commit)
    source.git.run("update-ref", "--no-deref", ref, commit)


def _standing(source: SourceRepository, branch: str) -> _Standing:
    listed = source.git.run("for-each-ref", "--format=%(objectname)%00%(worktreepath)", branch)
    commit, _, folder = listed.removesuffix("\n").partition("\0")
    return _Standing(commit, folder)


def _refuse_unless_ours(
    standing: _Standing, ours: list[str], branch: str, source: SourceRepository, commit: str
) -> None:
    name = branch.removeprefix("refs/heads/")
    if standing.checked_out:
        raise GitFailed(
            f"{name} is checked out in {standing.checked_out}: Autopack does not move it",
            hint=f"check out another branch there; the result is commit {commit}",
        )
    if standing.commit and standing.commit not in ours:
        raise GitFailed(
            f"{name} in {source.location} was moved to {standing.commit} by somebody else: "
            "Autopack does not overwrite it",
            hint=f"rename or delete that branch; the result is commit {commit}",
        )


def _refuse_to_go_back(mirror: Git, ours: list[str], branch: str, commit: str) -> None:
    for given in set(ours) - {commit}:
        if mirror.call("merge-base", "--is-ancestor", commit, given).status == 0:
            raise GitFailed(
                f"{branch.removeprefix('refs/heads/')} was given {given} already, which {commit} "
                "is only a part of: Autopack does not move it back"
            )


def _fetch(mirror: Git, source: SourceRepository, commit: str) -> None:
    """Have the objects there, which may take long; no ref changes."""
    git = replace(source.git, named=True)
    if is_partial(git):
        # A pack that leaves out what the commits there have: they may lack it, for the files of a
        # partial clone are not all fetched. This asks for none of that kind.
        words = git.fetching("fetch-pack", "--quiet", "--no-progress")
        git.run(*words, str(mirror.git_dir), commit)
        return
    git.run(
        *git.fetching("fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance"),
        "--no-tags", "--no-recurse-submodules", "--", str(mirror.git_dir), commit,
    )  # fmt: skip


def _swap(source: SourceRepository, branch: str, commit: str, old: str) -> None:
    source.git.run(
        "update-ref", "--no-deref", "-m", "autopack: publish", branch, commit,
        old or "0" * len(commit),
    )  # fmt: skip
