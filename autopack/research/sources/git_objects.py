"""The bytes behind locators of git: files of commits, and the records of commits."""

from __future__ import annotations

from autopack.research.locator import GitCommit, GitFile
from autopack.workspace.git import Git


def file_of(git: Git, locator: GitFile) -> bytes | None:
    """Return a file of a commit; None when that commit has no such content at the path."""
    return (
        blob(git, locator.blob)
        if blob_at(git, locator.commit, locator.path) == locator.blob
        else None
    )


def commit_record(git: Git, locator: GitCommit) -> bytes | None:
    """Return the record of a commit as git keeps it; None when there is no such commit."""
    found = git.call("cat-file", "commit", locator.commit)
    return found.output if found.status == 0 else None


def blob(git: Git, name: str) -> bytes | None:
    """Return a content by its id; None when it is not there."""
    found = git.call("cat-file", "blob", name)
    return found.output if found.status == 0 else None


def blob_at(git: Git, commit: str, path: str) -> str | None:
    """Return the id of the content at a path of a commit; None when nothing is there."""
    listed = git.call("ls-tree", "-z", "--full-tree", commit, "--", f":(top,literal){path}")
    if listed.status != 0 or not listed.output:
        return None
    about = listed.output.partition(b"\t")[0].decode("ascii", "replace").split()
    return about[2] if len(about) == 3 and about[1] == "blob" else None


def has_commit(git: Git, commit: str) -> bool:
    """Return whether a repository has the commit."""
    return git.call("cat-file", "-e", f"{commit}^{{commit}}").status == 0
