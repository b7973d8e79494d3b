"""The folder an agent works in: prepared for every attempt, recorded after it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack import safe_files
from autopack.errors import GitFailed
from autopack.workspace import agent_git, embedded, submodules
from autopack.workspace.changes import Change
from autopack.workspace.files import make_writable, remove_tree
from autopack.workspace.git import Git
from autopack.workspace.mirror import Mirror


@dataclass(frozen=True)
class Snapshot:
    """A workspace's content as a commit, and how it differs from the commit's parent."""

    commit: str
    tree: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Workspace:
    """A standalone checkout of one commit.

    The agent's own ``.git`` is remade at every reset and never used by Autopack, which reads and
    writes the files through the mirror and an index of its own in ``private``.
    """

    mirror: Mirror
    path: Path
    private: Path

    @classmethod
    def create(cls, mirror: Mirror, path: Path, commit: str) -> Workspace:
        """A workspace at ``path`` with the files of ``commit``.

        GitFailed when the folder holds something that is not a workspace of this mirror.
        """
        workspace = cls.adopt(mirror, path)
        agent_git.prepare(mirror.git, workspace._pristine, len(commit))
        workspace.reset(commit)
        return workspace

    @classmethod
    def adopt(cls, mirror: Mirror, path: Path) -> Workspace:
        """The workspace that an earlier process created at ``path``; touches nothing."""
        path = path.absolute()
        workspace = cls(mirror, path, cls.private_folder(mirror.git_dir, path))
        if not workspace.private.is_dir() and path.is_dir() and any(path.iterdir()):
            raise GitFailed(
                f"{path} is not empty and not a workspace of Autopack's",
                hint="choose another folder, or empty it",
            )
        return workspace

    @staticmethod
    def private_folder(git_dir: Path, path: Path) -> Path:
        """Where Autopack's notes about the workspace at ``path`` are."""
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return git_dir / "autopack-workspaces" / name

    @classmethod
    def left_behind(cls, mirror: Mirror, path: Path, commit: str, private: Path) -> Workspace:
        """The files that another process left at ``path``, with an index of their own.

        Based on ``commit``, which that process had reset them to. Its own index may be half
        written, or in use: it may only have been stopped.
        """
        workspace = cls(mirror, path, private)
        remove_tree(private)
        private.mkdir(parents=True)
        workspace._git.run("read-tree", commit)
        return workspace

    @property
    def environment(self) -> Mapping[str, str]:
        """What programs in here must be given: git never looks above the workspace.

        An agent that deletes its ``.git`` would else work on whatever repository lies around the
        workspaces.
        """
        return {"GIT_CEILING_DIRECTORIES": str(self.path.parent)}

    def reset(self, commit: str) -> None:
        """Have exactly the files of ``commit``; what .gitignore names stays.

        Tracked and untracked changes are gone, and ``.git`` is new, on a detached HEAD.
        """
        self._make_folder()
        if not self._pristine.is_dir():
            agent_git.prepare(self.mirror.git, self._pristine, len(commit))
        try:
            self._restore(commit)
        except GitFailed:
            # A folder without write permission, or an index half written when its git was killed.
            make_writable(self.path)
            self._index.unlink(missing_ok=True)
            self._restore(commit)

    def restore(self, commit: str, paths: Sequence[str]) -> None:
        """Have ``paths`` (files) as they are in ``commit``; one that is not there goes away."""
        kept = set(self.mirror.paths(commit))
        for path in paths:
            if path not in kept:
                remove_tree(self.path / path)
                self._drop_empty(Path(path).parent)
        there = [path for path in paths if path in kept]
        if there:
            listed = "".join(f"{path}\0" for path in there)
            self._git.run(
                "--literal-pathspecs", "checkout", "--quiet", "--force", commit,
                "--pathspec-from-file=-", "--pathspec-file-nul",
                input=listed,
            )  # fmt: skip

    def snapshot(
        self, *, parent: str, message: str, ref: str, replacing: str | None = None
    ) -> Snapshot:
        """Commit all files but ignored ones on top of ``parent`` and point ``ref`` at the commit.

        There is a commit even when nothing changed. GitFailed when a file cannot be read, and
        when ``ref`` is not at the commit that it is said to be ``replacing``.
        """
        self._make_folder()
        self._drop_stale_lock()
        git = self._git
        embedded.stage(git)
        tree = git.run("write-tree").strip()
        changes = self.mirror.changed_paths(parent, tree)
        unrecorded = embedded.unrecorded(git, changes)
        if unrecorded:
            embedded.save(git, unrecorded)
            tree = git.run("write-tree").strip()
            changes = self.mirror.changed_paths(parent, tree)
        commit = git.run("commit-tree", tree, "-p", parent, "-F", "-", input=message).strip()
        if replacing is None:
            self.mirror.put_ref(ref, commit)
        else:
            self.mirror.set_ref(ref, commit, old=replacing)
        return Snapshot(commit, tree, changes)

    def remove(self) -> None:
        """Delete the folder and Autopack's notes about it; commits stay in the mirror."""
        remove_tree(self.path)
        remove_tree(self.private)

    def _drop_empty(self, folder: Path) -> None:
        """Remove the folders that a removed file leaves empty, which git would not have."""
        for one in (folder, *folder.parents)[:-1]:
            try:
                (self.path / one).rmdir()
            except OSError:
                return

    @property
    def _git(self) -> Git:
        return Git(git_dir=self.mirror.git_dir, work_tree=self.path, index_file=self._index)

    @property
    def _index(self) -> Path:
        return self.private / "index"

    @property
    def _pristine(self) -> Path:
        return self.private / "pristine"

    def _make_folder(self) -> None:
        # An agent can put a link in the place of the folder or of the one above it; git would
        # empty what the link leads to.
        safe_files.make_folder(self.path, below=self.path.parent.parent)
        self.private.mkdir(parents=True, exist_ok=True)

    def _restore(self, commit: str) -> None:
        self._drop_stale_lock()
        git = self._git
        git.run("read-tree", "--reset", "-u", commit)
        git.run("clean", "--quiet", "-ffd")
        self._remove_repositories(commit)
        agent_git.install(self._pristine, self.path / ".git", commit)
        shutil.copyfile(self._index, self.path / ".git" / "index")
        if (self.path / ".gitmodules").is_file():
            submodules.restore(self.path, self.mirror.source)

    def _remove_repositories(self, commit: str) -> None:
        # git never lists a .git, so one made in a folder of the commit would outlive its cleaning.
        for folder in self.mirror.folders(commit):
            repository = self.path / folder / ".git"
            if os.path.lexists(repository):
                remove_tree(repository)

    def _drop_stale_lock(self) -> None:
        # One process at a time works here, so a lock is what a killed one left.
        self._index.with_name("index.lock").unlink(missing_ok=True)
