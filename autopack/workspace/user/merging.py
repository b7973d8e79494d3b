"""Merging a run's work into the user's checkout: only when asked, and only where it is clean."""

from __future__ import annotations

from pathlib import Path

from autopack.model.errors import GitFailed, Refused, RepositoryError
from autopack.workspace.git import Git
from autopack.workspace.source import SourceRepository


def merge_into(
    source: SourceRepository, clone: Path | None, commit: str, *, squash: bool, label: str
) -> str:
    """Fast-forward the checkout to ``commit``, or stage its change; return the branch's name.

    ``clone`` is a repository here that has the commit, None where none has.

    Refused for a URL, a checkout with changes or in the middle of something, and where a
    fast-forward is not possible. Nothing is changed then.
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
        git.run("fetch", "--quiet", "--no-tags", str(clone), commit)
    head = git.run("rev-parse", "HEAD").strip()
    ahead = git.call("merge-base", "--is-ancestor", head, commit).status == 0
    if not ahead and not squash:
        raise Refused(
            f"{branch} has moved on since {label} began: it cannot be fast-forwarded",
            field="run_id",
            hint="autopack merge --squash stages the change on top, or use git merge",
        )
    try:
        git.run("merge", "--quiet", *(["--squash"] if squash else ["--ff-only"]), commit)
    except GitFailed as error:
        if squash:
            git.run("reset", "--quiet", "--merge", check=False)
        raise Refused(
            f"git cannot merge it: {error.message}",
            field="run_id",
            hint="the checkout is as it was; use git merge to resolve conflicts",
        ) from error
    return branch
