"""The folder an agent works in: prepared for every attempt, recorded after it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from autopack.failpoints import Step, durable
from autopack.files import safe_files
from autopack.files.contents import Stamp, stamps
from autopack.files.untrusted import make_writable, remove_tree, same_content
from autopack.model.errors import GitFailed
from autopack.workspace import agent_git
from autopack.workspace.changes import GITLINK, Change
from autopack.workspace.content import byproducts, embedded, submodules
from autopack.workspace.content.left_rules import drop_left_rules
from autopack.workspace.content.staging import Bounds, Refused
from autopack.workspace.content.survey import may_hold_more
from autopack.workspace.git import Git
from autopack.workspace.mirror import Mirror
from autopack.workspace.user import excludes, filters
from autopack.workspace.withheld import topmost

_MISSING = "missing-submodules.json"
_COMMIT = "checked-out.commit"


@dataclass(frozen=True)
class Snapshot:
    """A workspace's content as a commit, and how it differs from the commit's parent.

    ``refused`` are files that no commit can hold: it lacks them, or holds another content.
    ``left_out`` are folders in which the agent has other branches of its own checked out.
    """

    commit: str
    tree: str
    changes: tuple[Change, ...]
    refused: tuple[Refused, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extras:
    """What lies in a workspace beside the files of a commit and what setup made.

    ``paths`` are single files (empty folders end in ``/``), ``tops`` the fewest paths that hold
    them all. ``there`` is everything that the workspace holds, by path; ``tracked`` is what the
    commit has.
    """

    paths: tuple[str, ...]
    tops: tuple[str, ...]
    there: Mapping[str, Stamp]
    tracked: frozenset[str]


@dataclass(frozen=True)
class Workspace:
    """A standalone checkout of one commit.

    The agent's own ``.git`` is remade at every reset and never used by Autopack, which reads and
    writes the files through the mirror and an index of its own in ``private``.
    """

    mirror: Mirror
    path: Path
    private: Path
    bounds: Bounds = field(default_factory=Bounds)
    """What a snapshot of it may add."""

    @classmethod
    def create(cls, mirror: Mirror, path: Path, commit: str) -> Workspace:
        """Return a workspace at ``path`` with the files of ``commit``.

        GitFailed when the folder holds something that is not a workspace of this mirror.
        """
        workspace = cls.adopt(mirror, path)
        agent_git.prepare(mirror.git, workspace._pristine, len(commit))
        workspace.reset(commit)
        return workspace

    @classmethod
    def adopt(cls, mirror: Mirror, path: Path) -> Workspace:
        """Return the workspace that an earlier process created at ``path``; touches nothing."""
        path = path.absolute()
        workspace = cls(mirror, path, cls.private_folder(mirror.git_dir, path))
        if not workspace.private.is_dir() and path.is_dir() and any(path.iterdir()):
            raise GitFailed(
                f"{path} is not empty and not a workspace of Autopack's",
                hint="choose another folder, or empty it",
            )
        return workspace

    def beside(self, path: Path, commit: str) -> Workspace:
        """Return another workspace, at ``path`` with the files of ``commit``.

        What git was asked to prepare this one it is not asked again. GitFailed as `create` raises.
        """
        other = self.adopt(self.mirror, path)
        if self._pristine.is_dir():
            remove_tree(other._pristine)
            shutil.copytree(self._pristine, other._pristine)
        vars(other)["_ignored_everywhere"] = self._ignored_everywhere
        other.reset(commit)
        return other

    @staticmethod
    def private_folder(git_dir: Path, path: Path) -> Path:
        """Return where Autopack's notes about the workspace at ``path`` are."""
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return git_dir / "autopack-workspaces" / name

    @classmethod
    def left_behind(cls, mirror: Mirror, path: Path, commit: str, private: Path) -> Workspace:
        """Return the files that another process left at ``path``, with an index of their own.

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

    @property
    def missing_submodules(self) -> Mapping[str, str]:
        """The submodules that could not be fetched for the last reset, with the reason of each."""
        try:
            return json.loads((self.private / _MISSING).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def reset(self, commit: str) -> None:
        """Have exactly the files of ``commit``; what .gitignore names stays.

        Tracked and untracked changes are gone, and ``.git`` is new, on a detached HEAD. Whatever
        was written to since the last time is written anew, also where git would take it for the
        same (line ends that it would convert).
        """
        self._make_folder()
        if not self._pristine.is_dir():
            agent_git.prepare(self.mirror.git, self._pristine, len(commit))
        self._write_excludes(commit)
        if self._checked_out.is_file():
            # With its time: git tells by that which files it has to read again.
            shutil.copy2(self._checked_out, self._index)
        try:
            self._restore(commit)
        except (GitFailed, OSError):
            self._replace_unusable(commit)
        shutil.copy2(self._index, self._checked_out)

    def extras(self, commit: str, installed: Collection[str] = ()) -> Extras:
        """Return what lies here that neither ``commit`` nor ``installed`` has, and .git is not.

        Also FIFOs, sockets and empty folders, which git knows nothing of.
        """
        modes = self.mirror.modes(commit)
        links = {path for path, mode in modes.items() if mode == GITLINK}
        there = stamps(self.path, leaving_out=(".git",), closed=links)
        kept = {path for path in there if path in modes or path in installed}
        extra = [path for path in there if path not in kept]
        return Extras(tuple(extra), tuple(topmost(extra, kept)), there, frozenset(modes))

    def clear(self, commit: str) -> None:
        """Have nothing but the files of ``commit``, which it was reset to, as a fresh checkout
        would give them.
        """
        found = self.extras(commit)
        for path in found.tops:
            remove_tree(self.path / path)
        if self.rewrite(found) or found.tops or self._installed():
            self.note_installed(())
            self.reset(commit)

    def rewrite(self, found: Extras) -> bool:
        """Let the next reset write the files anew that have other permissions than git gives.

        Return whether there are any.
        """
        odd_ones = False
        probe = self.private / "probe"
        probe.unlink(missing_ok=True)
        probe.touch(0o666)
        plain = probe.stat().st_mode & 0o777
        given = {plain, plain | (plain & 0o444) >> 2}
        for path in found.tracked & found.there.keys():
            stamp = found.there[path]
            odd = stamp.permissions not in given or stamp.links > 1
            if odd and stat.S_ISREG(stamp.mode):
                (self.path / path).unlink(missing_ok=True)
                odd_ones = True
        return odd_ones

    def note_installed(self, paths: Collection[str]) -> None:
        """Keep the by-product folders of ``paths``, which setup made, out of every change."""
        note = self.private / "installed.json"
        folders = {byproducts.byproduct_folder(path) for path in paths} - {None}
        self.private.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(sorted(f"{folder}/" for folder in folders)), encoding="utf-8")

    def _installed(self) -> list[str]:
        note = self.private / "installed.json"
        return json.loads(note.read_text(encoding="utf-8")) if note.is_file() else []

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
        self,
        *,
        parent: str,
        message: str,
        ref: str | None,
        replacing: str | None = None,
        bounds: Bounds | None = None,
    ) -> Snapshot:
        """Commit all files but ignored ones on top of ``parent`` and point ``ref`` at the commit.

        Without a ``ref`` that is left to the caller.

        There is a commit even when nothing changed, and when some files cannot be recorded: those
        are named. GitFailed when ``ref`` is not at the commit that it is said to be ``replacing``.
        """
        self._make_folder()
        self._drop_stale_lock()
        if not self._excludes.is_file():
            self._write_excludes(parent)
        git = self._git
        before, links = self._commit_of_index(), None
        if before is not None:
            links = [path for path, mode in self.mirror.modes(before).items() if mode == GITLINK]
        recorded = embedded.record(git, self.private, self._origin, bounds or self.bounds, links)
        if before is not None and recorded.is_same:
            tree = self.mirror.tree_of(before)
        else:
            tree = git.run("write-tree").strip()
        changes = self.mirror.changed_paths(parent, tree)
        refused = (*recorded.refused, *filters.refused(git, self.mirror.source, changes))
        commit = self.mirror.commit_tree(tree, parent=parent, message=message)
        if ref is None:
            pass
        elif replacing is None:
            with durable(Step.ATTEMPT_COMMITTED):
                self.mirror.put_ref(ref, commit)
        else:
            with durable(Step.MITIGATION_COMMITTED):
                self.mirror.set_ref(ref, commit, old=replacing)
        return Snapshot(commit, tree, changes, refused, recorded.left_out)

    def empty_snapshot(self, *, parent: str, message: str, ref: str | None) -> Snapshot:
        """Commit nothing on top of ``parent`` and point ``ref`` there, whatever lies here."""
        tree = self.mirror.tree_of(parent)
        commit = self.mirror.commit_tree(tree, parent=parent, message=message)
        if ref is not None:
            self.mirror.put_ref(ref, commit)
        return Snapshot(commit, tree, ())

    def remove(self) -> None:
        """Delete the folder and Autopack's notes about it; commits stay in the mirror."""
        remove_tree(self.path)
        remove_tree(self.private)

    def _drop_empty(self, folder: Path) -> None:
        """Remove the folders that a removed file leaves empty, which git would not have."""
        for one in (folder, *folder.parents)[:-1]:
            if not safe_files.remove_if_empty(self.path / one):
                return

    @property
    def _git(self) -> Git:
        return Git(
            git_dir=self.mirror.git_dir,
            work_tree=self.path,
            index_file=self._index,
            excludes=self._excludes,
        )

    def _origin(self) -> submodules.Origin:
        return submodules.Origin.of(self.mirror.source)

    @property
    def _index(self) -> Path:
        return self.private / "index"

    @property
    def _checked_out(self) -> Path:
        """The index as the last reset left it: which files are as git wrote them."""
        return self.private / "checked-out"

    @cached_property
    def _ignored_everywhere(self) -> Path | None:
        # Once: it is written by every reset, and a run keeps to what held when it began.
        return excludes.everywhere(self.mirror.source)

    @property
    def _excludes(self) -> Path:
        return self.private / "excludes"

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
        drop_left_rules(self.path, self.mirror.folders(commit), self.mirror.modes(commit))
        git.run("read-tree", "--reset", "-u", commit)
        if may_hold_more(self.path, self.mirror.modes(commit), self.mirror.folders(commit)):
            git.run("clean", "--quiet", "-ffd")
        self._remove_repositories(commit)
        agent_git.install(self._pristine, self.path / ".git", commit, self._excludes)
        shutil.copyfile(self._index, self.path / ".git" / "index")
        missing: dict[str, str] = {}
        if GITLINK in self.mirror.modes(commit).values():
            missing = submodules.restore(git, self.private, self._origin(), self._pristine)
        (self.private / _MISSING).write_text(json.dumps(missing), encoding="utf-8")
        # Before the index is kept beside it: until then that one says that this is not of it.
        (self.private / _COMMIT).write_text(commit, encoding="ascii")

    def _commit_of_index(self) -> str | None:
        """Return the commit whose content the index has, where nothing was recorded in it since
        the last reset; None where that cannot be told.
        """
        if not same_content(self._index, self._checked_out):
            return None
        try:
            return (self.private / _COMMIT).read_text(encoding="ascii")
        except (OSError, ValueError):  # of an earlier version
            return None

    def _replace_unusable(self, commit: str) -> None:
        """Have the files of ``commit`` where git could not restore them."""
        # A folder without write permission, or an index half written when its git was killed.
        for file in (self._index, self._checked_out):
            file.unlink(missing_ok=True)
        try:
            make_writable(self.path)
            self._restore(commit)
        except (GitFailed, OSError):
            # Something that not even its owner may delete. It goes with the run's folder.
            self._index.unlink(missing_ok=True)
            self.path.rename(Path(tempfile.mkdtemp(prefix="unusable-", dir=self.private), "work"))
            self._make_folder()
            self._restore(commit)

    def _write_excludes(self, commit: str) -> None:
        installed = [f"{one}x" for one in self._installed()]
        text = byproducts.excludes(self.mirror.paths(commit), installed)
        text += excludes.of_user(self.mirror.source, self._ignored_everywhere)
        self._excludes.write_text(text, encoding="utf-8", errors="surrogateescape")

    def _remove_repositories(self, commit: str) -> None:
        # git never lists a .git, so one made in a folder of the commit would outlive its cleaning.
        for folder in self.mirror.folders(commit):
            repository = self.path / folder / ".git"
            if os.path.lexists(repository):
                remove_tree(repository)

    def _drop_stale_lock(self) -> None:
        # One process at a time works here, so a lock is what a killed one left.
        self._index.with_name("index.lock").unlink(missing_ok=True)
