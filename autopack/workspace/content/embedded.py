"""Repositories inside a workspace: submodules, and what an agent made.

git would turn a folder with its own ``.git`` into a link to a commit that only that folder has,
and runs what the folder's configuration says to find out. Here no git command gets such a
``.git``: the files are read through the mirror. What differs from a submodule's commit, and every
repository that an agent made, is committed to the mirror, and the link points at that commit:
nothing is lost, and the ref that keeps the commit tells such a link from a submodule's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autopack.files.untrusted import remove_tree
from autopack.workspace.changes import GITLINK
from autopack.workspace.content import submodules
from autopack.workspace.content.staging import (
    Bounds,
    Refused,
    candidates,
    gitlinks,
    set_entries,
    stage,
)
from autopack.workspace.content.submodules import Module, Origin
from autopack.workspace.content.survey import Repository, repositories
from autopack.workspace.git import Git

MOST_REPOSITORIES = 100
"""How many repositories an agent may make before they are only counted."""


def kept_ref(commit: str) -> str:
    """Return the ref that keeps the files of an embedded repository."""
    return f"refs/autopack-embedded/{commit}"


@dataclass(frozen=True)
class Recorded:
    """What became of a folder's files: an index has all but these.

    ``refused`` no commit can hold. ``left_out`` are checkouts of the same repository, which an
    agent makes to work in and whose files are on branches of its own. ``is_same`` says that the
    index has nothing else than before.
    """

    refused: tuple[Refused, ...] = ()
    left_out: tuple[str, ...] = ()
    is_same: bool = False


def record(
    git: Git,
    private: Path,
    origin: Callable[[], Origin],
    bounds: Bounds,
    linked_before: Collection[str] | None = None,
) -> Recorded:
    """Have the index hold every file of the work tree that is not ignored.

    The files of repositories inside go into commits of their own, which the index links to; where
    the caller knows to which paths it does now, those are ``linked_before``. ``origin`` is asked
    only where there are submodules.
    """
    if linked_before is None:
        linked_before = gitlinks(git)
    modules = {module.path: module for module in origin().modules_of(git)} if linked_before else {}
    links = [path for path in linked_before if _is_filled(git.files / path)]
    own = _own_repositories(git, set(links))
    refused = _dissolve(git, own[MOST_REPOSITORIES:])
    own = own[:MOST_REPOSITORIES]
    closed = [*links, *own]
    found = candidates(git, closed)
    if not found and not linked_before and not own and git.index.is_file():
        return Recorded(tuple(refused), is_same=True)
    refused += stage(git, closed, bounds, found)
    left_out: list[str] = []
    linked: dict[str, tuple[str, str]] = {}
    ignored = _ignored(git, own)
    for path in own:
        if path in ignored:
            continue
        if Repository.read(git.files / path).is_worktree_of(git.files / ".git"):
            left_out.append(path)
        else:
            linked[path] = (GITLINK, _save(git, path, bounds))
    for path, recorded in gitlinks(git).items() if links else ():
        if path not in links:
            continue
        filled = _Filled(git, private, path, recorded, modules.get(path))
        commit, more = filled.commit(bounds)
        refused += [replace(one, path=f"{path}/{one.path}") for one in more]
        if commit != recorded:
            linked[path] = (GITLINK, commit)
    if linked:
        set_entries(git, linked)
    return Recorded(tuple(refused), tuple(left_out))


@dataclass(frozen=True)
class _Filled:
    """A submodule's folder with something in it. ``module`` is None where nothing declares it."""

    git: Git
    private: Path
    path: str
    recorded: str
    module: Module | None

    def commit(self, bounds: Bounds) -> tuple[str, list[Refused]]:
        """Return the commit to link to: the recorded one, one of its origin, or one of its
        files.
        """
        mirror = Git(git_dir=self.git.git_dir)
        head = Repository.read(self.git.files / self.path).head
        if self.module is None or not submodules.has(mirror, self.recorded):
            if head == self.recorded:
                return self.recorded, []
            return _save(self.git, self.path, bounds), []
        below = self.module.below
        inner, private = submodules.inside(self.git, self.private, self.module)
        if not inner.index.is_file():
            private.mkdir(parents=True, exist_ok=True)
            inner.run("read-tree", self.recorded)
        found = record(inner, private, lambda: below, bounds)
        tree = inner.run("write-tree").strip()
        refused = list(found.refused)
        if tree == _tree(mirror, self.recorded):
            return self.recorded, refused
        moved = head if head != self.recorded else None
        if moved and self.module.is_of_origin(mirror, moved) and tree == _tree(mirror, moved):
            return moved, refused
        return _keep(mirror, tree, self.path), refused


def _own_repositories(git: Git, links: set[str]) -> list[str]:
    """Return the outermost repositories that an agent made, in folders of which nothing is
    tracked.
    """
    found = [path for path in repositories(git.files) if not _is_in(path, links)]
    if not found:
        return []
    tracked = git.run("ls-files", "-z").split("\0")[:-1]
    folders = {above for path in tracked for above in _above(path)}
    own: dict[str, None] = {}
    for path in found:
        if path not in folders and not _is_in(path, own):
            own[path] = None
    return list(own)


def _dissolve(git: Git, paths: Sequence[str]) -> list[Refused]:
    """Make plain folders of repositories of which there are too many to look at each."""
    for path in paths:
        remove_tree(git.files / path / ".git")
    why = f"is one of more than {MOST_REPOSITORIES} repositories in the workspace"
    return [Refused(path, why) for path in paths[:1]]


def _above(path: str) -> list[str]:
    return [path[:at] for at, letter in enumerate(path) if letter == "/"]


def _is_in(path: str, folders: Container[str]) -> bool:
    return path in folders or any(above in folders for above in _above(path))


def _is_filled(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        return any(folder.iterdir())
    except OSError:
        return True


def _ignored(git: Git, paths: Iterable[str]) -> set[str]:
    asked = "".join(f"{path}\0" for path in paths)
    if not asked:
        return set()
    found = git.call("check-ignore", "--no-index", "-z", "--stdin", input=asked)
    return set(found.output.decode("utf-8", "surrogateescape").split("\0")[:-1])


def _save(git: Git, path: str, bounds: Bounds) -> str:
    """Commit the files below ``path`` to the mirror."""
    with tempfile.TemporaryDirectory(prefix="autopack-staging-") as scratch:
        inner = replace(git, work_tree=git.files / path, index_file=Path(scratch, "index"))
        record(inner, Path(scratch), lambda: Origin(None, None, ""), bounds)
        return _keep(git, inner.run("write-tree").strip(), path)


def _keep(git: Git, tree: str, path: str) -> str:
    message = f"Files of the repository in {path}"
    commit = git.run("commit-tree", tree, "-F", "-", input=message).strip()
    git.run("update-ref", kept_ref(commit), commit)
    return commit


def _tree(mirror: Git, commit: str) -> str:
    return mirror.run("rev-parse", "--verify", f"{commit}^{{tree}}").strip()
