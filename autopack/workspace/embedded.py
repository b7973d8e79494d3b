"""Recording work in repositories inside a workspace, which git add would lose or refuse.

``git add`` turns a folder with its own ``.git`` into a link to a commit that only that folder has,
fails when it has no commit, and ignores what a submodule has not committed. Here such a folder's
files are committed to the mirror and the link points at that commit: nothing is lost, and the ref
that keeps the commit tells such a link from a submodule's.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from autopack.workspace.changes import GITLINK, Change
from autopack.workspace.git import Git, failure

_UNBORN = re.compile(r"'(.+?)/?' does not have a commit checked out")


def kept_ref(commit: str) -> str:
    """The ref that keeps the files of an embedded repository."""
    return f"refs/autopack-embedded/{commit}"


def stage(git: Git) -> None:
    """Add every file of the work tree to the index, and links to what git add would refuse."""
    unborn: list[str] = []
    while True:
        excluded = [f":(exclude,top,literal){path}" for path in unborn]
        added = git.call("add", "-A", "--", ".", *excluded)
        if added.status == 0:
            break
        refused = _UNBORN.search(added.errors)
        if refused is None or refused[1] in unborn:
            raise failure(("add", "-A"), added)
        unborn.append(refused[1])
    save(git, unborn)


def unrecorded(git: Git, changes: Iterable[Change]) -> list[str]:
    """The links in the index whose work no commit in the mirror or of a submodule holds.

    ``changes`` are those of the index since the attempt's parent. Costs nothing for a tree
    without links.
    """
    links = {change.path: change for change in changes if change.mode == GITLINK}
    new = [
        path
        for path, change in links.items()
        if change.status in {"A", "T"} and not _is_kept(git, change.oid)
    ]
    if not (git.files / ".gitmodules").is_file():
        return new
    lost = [
        path
        for path in gitlinks(git)
        if (path not in links or links[path].status == "M")
        and _has_unrecorded_work(git, path, moved=path in links)
    ]
    return new + lost


def save(git: Git, paths: Iterable[str]) -> None:
    """Commit the files below each path to the mirror, and link the path to that commit."""
    for path in paths:
        link = f"{GITLINK},{_save(git, path)},{path}"
        git.run("update-index", "--add", "--replace", "--cacheinfo", link)


def gitlinks(git: Git) -> list[str]:
    """The paths of the index that are links to a commit: submodules and embedded repositories."""
    entries = git.run("ls-files", "--stage", "-z").split("\0")
    return [entry.split("\t", 1)[1] for entry in entries if entry.startswith(GITLINK)]


def _save(git: Git, path: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        inner = replace(git, work_tree=git.files / path, index_file=Path(scratch, "index"))
        stage(inner)
        tree = inner.run("write-tree").strip()
        nested = [path for path in gitlinks(inner) if not _is_kept(inner, _linked(inner, path))]
        if nested:
            save(inner, nested)
            tree = inner.run("write-tree").strip()
    commit = git.run("commit-tree", tree, "-m", f"Files of the repository in {path}").strip()
    git.run("update-ref", kept_ref(commit), commit)
    return commit


def _linked(git: Git, path: str) -> str:
    return git.run("ls-files", "--stage", "-z", "--", f":(literal){path}").split(" ")[1]


def _is_kept(git: Git, commit: str) -> bool:
    return git.call("rev-parse", "--verify", "--quiet", kept_ref(commit)).status == 0


def _has_unrecorded_work(git: Git, path: str, *, moved: bool) -> bool:
    folder = git.files / path
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    if not (folder / ".git").exists():
        return True
    submodule = Git(git_dir=folder / ".git", work_tree=folder)
    status = replace(submodule, excludes=git.excludes).call("status", "--porcelain")
    if status.status != 0 or status.output:
        return True
    if not moved:
        return False
    # A commit that no branch or tag of its origin holds was made here and exists nowhere else.
    origin = ("--contains", "HEAD", "refs/remotes", "refs/tags")
    return not submodule.run("for-each-ref", "--count=1", *origin, check=False)
