"""Giving the user's repository the branch of a run, without touching anything else in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autopack.errors import GitFailed
from autopack.workspace.git import Git
from autopack.workspace.source import SourceRepository


@dataclass(frozen=True)
class _Standing:
    """Where the run's branch stands in the user's repository; "" when there is none.

    ``checked_out`` is the folder of the user's that has it checked out, else "".
    """

    commit: str
    checked_out: str = ""


def publish(mirror: Git, source: SourceRepository, run_id: str, commit: str, *, name: str) -> None:
    """Move branch ``autopack/<run_id>`` of ``source`` to ``commit``, by compare-and-swap.

    The branch is ours to move while it stands where this function left it, or would have left it
    before a crash; ``name`` is what the run is called in the mirror. GitFailed when the user moved
    it or has it checked out. A URL is given nothing: to servers goes only what a run was told to
    push.
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
        mirror.run("update-ref", intended, commit)
        _fetch(mirror, source, branch, commit, standing.commit)
    if ours != [commit]:
        done = f"update {published} {commit}\ndelete {intended}\n"
        mirror.run("update-ref", "--stdin", input=done)


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


def _fetch(mirror: Git, source: SourceRepository, branch: str, commit: str, old: str) -> None:
    # Fetching an object id updates no ref; the swap below is all that does.
    git = replace(source.git, named=True)
    git.run(
        *git.fetching("fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance"),
        "--no-tags", "--no-recurse-submodules", "--", str(mirror.git_dir), commit,
    )  # fmt: skip
    source.git.run(
        "update-ref", "--no-deref", "-m", "autopack: publish", branch, commit,
        old or "0" * len(commit),
    )  # fmt: skip
