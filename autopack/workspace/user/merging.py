"""Merging a run's work into the user's checkout: only when asked, and only where it is clean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from autopack.model.errors import GitFailed, Refused, RepositoryError
from autopack.workspace.git import Git
from autopack.workspace.source import SourceRepository


def merge_into(
    source: SourceRepository, clone: Path | None, commit: str, *, squash: bool, label: str
) -> str:
    """Fast-forward the checkout to ``commit``, or stage its change; return the branch's name.

    ``clone`` is a repository here that has the commit, None where none has.

    Refused for a URL, a checkout with changes or in the middle of something, where a file in it
    that git does not track stands in the way, and where a fast-forward is not possible. Nothing is
    changed then.
    """
    if source.is_url or source.git_dir is None:
        raise Refused(
            f"{label} ran on a URL, which has no checkout",
            field="run_id",
            hint="autopack fetch says how to get its work",
        )
    git = Git(folder=Path(source.location), as_user=True)
    branch = git.run("symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip()
    if not branch:
        raise Refused(
            "the checkout is on no branch", field="repo", hint="git switch BRANCH, then try again"
        )
    for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"):
        if (source.git_dir / name).exists():
            raise Refused(
                "the checkout is in the middle of a merge or rebase",
                field="repo",
                hint="finish or abort it, then try again",
            )
    changed = git.run("status", "--porcelain", "--untracked-files=no").strip()
    if changed:
        raise Refused(
            f"the checkout has uncommitted changes: {changed.splitlines()[0][2:].strip()}",
            field="repo",
            hint="commit or stash them, then try again",
        )
    if git.call("cat-file", "-e", f"{commit}^{{commit}}").status != 0:
        if clone is None:
            raise RepositoryError(
                f"commit {commit[:12]} of {label} is only on the machine that made it",
                field="run_id",
            )
        replace(git, named=True).run("fetch", "--quiet", "--no-tags", str(clone), commit)
    head = git.run("rev-parse", "HEAD").strip()
    ahead = git.call("merge-base", "--is-ancestor", head, commit).status == 0
    if not ahead and not squash:
        raise Refused(
            f"{branch} has moved on since {label} began: it cannot be fast-forwarded",
            field="run_id",
            hint="autopack merge --squash stages the change on top, or use git merge",
        )
    _check_nothing_is_in_the_way(git, commit)
    # What the user's settings say of fast-forwards is not meant for this.
    how = ["--ff", "--squash"] if squash else ["--ff-only"]
    try:
        git.run("merge", "--quiet", "--no-overwrite-ignore", *how, commit)
    except GitFailed as error:
        if squash:
            git.run("reset", "--quiet", "--merge", check=False)
        raise Refused(
            f"git cannot merge it: {error.message}",
            field="run_id",
            hint="the checkout is as it was; use git merge to resolve conflicts",
        ) from error
    return branch


def _check_nothing_is_in_the_way(git: Git, commit: str) -> None:
    """Raise Refused where a file that is not tracked lies at a place that the change makes.

    git overwrites ignored files, which may be all there is of them.
    """
    root = Path(git.run("rev-parse", "--show-toplevel").removesuffix("\n"))
    deleted = set(_changed(git, "D", commit))
    for name in _changed(git, "A", commit):
        for place in (*reversed(name.parents), name):
            path = root / place
            is_folder = path.is_dir() and not path.is_symlink()
            if place != name and is_folder:
                continue
            if not os.path.lexists(path) or place in deleted:
                break
            if is_folder and all(one.relative_to(root) in deleted for one in _files_below(path)):
                break
            shown = os.fsencode(place).decode(errors="replace")
            raise Refused(
                f"{shown} is in the way: git does not track it",
                field="repo",
                hint="move it elsewhere, then try again",
            )


def _changed(git: Git, kind: str, commit: str) -> list[Path]:
    """Return the paths that the change to ``commit`` adds (A) or deletes (D)."""
    how = ("--name-only", "-z", "--no-renames", "--no-relative", "--no-ext-diff")
    listed = git.call("diff", *how, f"--diff-filter={kind}", f"HEAD...{commit}").output
    return [Path(os.fsdecode(name)) for name in listed.split(b"\0") if name]


def _files_below(folder: Path) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        yield from (Path(at, name) for name in names)
