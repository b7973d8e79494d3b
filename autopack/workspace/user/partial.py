"""Completing a commit whose files the user's partial clone has not fetched yet."""

from __future__ import annotations

import re

from autopack.model.errors import RepositoryError
from autopack.workspace.git import Git, failure
from autopack.workspace.source import SourceRepository, is_on_this_machine, without_credentials

_FETCH_SECONDS = 3600.0
_PROMISOR = re.compile(r"remote\.(.+)\.promisor\ntrue|extensions\.partialclone\n(.+)")


def complete(mirror: Git, source: SourceRepository, commit: str) -> None:
    """Have every file of ``commit`` in the mirror; no-op where the repository is a whole clone.

    What is missing comes from where the user's git would get it, and the user's repository stays
    as it is. Raises RepositoryError when it cannot be had.
    """
    promisor = None if source.is_url else _promisor(source.git)
    if promisor is None:
        return
    listed = mirror.run("rev-list", "--objects", "--missing=print", "--no-walk", commit)
    missing = [line[1:] for line in listed.splitlines() if line.startswith("?")]
    if not missing:
        return
    place = source.git.run("remote", "get-url", promisor).strip()
    git = Git(git_dir=mirror.git_dir, as_user=True, named=is_on_this_machine(place))
    fetched = git.call(
        "-c", "fetch.negotiationAlgorithm=noop",
        *git.fetching("fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance"),
        "--no-tags", "--no-recurse-submodules", "--stdin", "--", place,
        input="".join(f"{oid}\n" for oid in missing),
        timeout=_FETCH_SECONDS,
    )  # fmt: skip
    if fetched.status != 0:
        said = without_credentials(f"{place}: {failure(('fetch',), fetched).message}")
        raise RepositoryError(
            f"{source.location} is a partial clone that lacks {len(missing):,} files of commit "
            f"{commit[:12]}, and they cannot be fetched from {said}",
            field="repo",
            hint="check out that commit without a sparse checkout while the server is there",
        )


def is_partial(git: Git) -> bool:
    """Return whether a repository may lack files that its commits have."""
    return _promisor(git) is not None


def _promisor(git: Git) -> str | None:
    listed = git.run(
        "config", "-z", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$",
        check=False,
    )  # fmt: skip
    for entry in listed.split("\0"):
        found = _PROMISOR.fullmatch(entry)
        if found is not None:
            return found[1] or found[2]
    return None
