"""Autopack's private copy of a user's repository: where every attempt's commit lives."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from autopack.model.errors import GitFailed, RepositoryError
from autopack.model.ids import AttemptKey, attempt_ref
from autopack.workspace.changes import GITLINK, Change, parse_raw_diff
from autopack.workspace.content.byproducts import patterns
from autopack.workspace.content.embedded import kept_ref
from autopack.workspace.fence import Fence
from autopack.workspace.git import Git
from autopack.workspace.known_objects import KnownObjects, Listing
from autopack.workspace.source import SourceRepository
from autopack.workspace.user import publishing
from autopack.workspace.user.partial import complete

_TRANSFER_SECONDS = 3600.0


@dataclass(frozen=True)
class Mirror:
    """A bare clone that only Autopack's git uses.

    refs/autopack-base/<run>                 keeps the commit a run started from
    refs/autopack/<run>/<phase>/<attempt>    the commit of an attempt, failed ones included
    refs/autopack-embedded/<commit>          files of a repository that an agent made inside
    refs/autopack-kept/<run>/<n>             what a run begins with that retries another
    refs/autopack-published/<run>            what the user's repository was last given
    refs/autopack-aside/<unique>/            what was found where a new run's refs had to go

    ``alias`` is a run and what it is called in these refs, where runs of several databases have
    one id: the name of its folder.
    """

    git_dir: Path
    source: SourceRepository
    alias: tuple[str, str] | None = None
    fence: Fence = field(default=Fence(), compare=False, repr=False)
    known: KnownObjects = field(default_factory=KnownObjects, compare=False, repr=False)

    @classmethod
    def open(
        cls, home: Path, source: SourceRepository, *, alias: tuple[str, str] | None = None
    ) -> Mirror:
        """Return the mirror of ``source`` under ``home``, cloned on first use.

        What is left of one that somebody emptied is set aside, and cloned anew.
        """
        git_dir = cls.folder(home, source)
        if not _is_repository(git_dir):
            git_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _clone(source, git_dir)
        # Earlier versions kept by-products here, where no workspace could except a folder.
        exclude = git_dir / "info" / "exclude"
        if exclude.is_file() and _is_former(exclude.read_text(encoding="utf-8")):
            exclude.unlink()
        return cls(git_dir, source, alias)

    @staticmethod
    def folder(home: Path, source: SourceRepository) -> Path:
        """Return where the mirror of ``source`` is or will be."""
        return home / "repositories" / f"{source.key}.git"

    def fenced(self, fence: Fence) -> Mirror:
        """Return the same for the holder of a run, who moves refs only while it holds it."""
        return replace(self, fence=fence)

    @property
    def git(self) -> Git:
        return Git(git_dir=self.git_dir)

    def ensure(self, commit: str, run_id: str) -> None:
        """Have ``commit`` with its history and all tags, and keep it for ``run_id``.

        Raises RepositoryError when the user's repository has no such commit.
        """
        base_ref = f"refs/autopack-base/{self.name_here(run_id)}"
        if self.read_ref(base_ref) != commit:
            self._fetch(commit)
            self.git.run("update-ref", base_ref, commit)

    def keep(self, run_id: str, commits: Iterable[str]) -> None:
        """Have ``commits`` of an earlier run, and keep them for ``run_id``, which begins with them.

        Raises RepositoryError when one is neither here nor in the user's repository.
        """
        for number, commit in enumerate(commits):
            if not self.has(commit):
                self._fetch(commit)
            ref = f"refs/autopack-kept/{self.name_here(run_id)}/{number}"
            self.git.run("update-ref", ref, commit)

    def fetch_whole(self, commit: str) -> None:
        """Have all of ``commit`` anew, also what is thought to be here; for who cannot read it."""
        self._fetch(commit, "--refetch")

    def _fetch(self, commit: str, *options: str) -> None:
        git = Git(git_dir=self.git_dir, as_user=True, named=self.source.is_local)
        fetched = git.call(
            *git.fetching("fetch", "--no-write-fetch-head", "--no-auto-maintenance"),
            *options, "--update-shallow", "--no-tags", "--", address(self.source), commit,
            "+refs/tags/*:refs/tags/*",
            timeout=_TRANSFER_SECONDS,
        )  # fmt: skip
        if fetched.status != 0 and not self.has(commit):
            lines = fetched.errors.strip().splitlines() or ["git fetch failed"]
            raise RepositoryError(
                f"commit {commit} cannot be fetched from {self.source.location}: {lines[-1]}",
                field="commit",
            )
        complete(self.git, self.source, commit)

    def name_here(self, run_id: str) -> str:
        """Return what the run is called in the refs of this mirror."""
        return self.alias[1] if self.alias is not None and self.alias[0] == run_id else run_id

    def attempt_ref(self, key: AttemptKey) -> str:
        """Return the ref of an attempt in this mirror; see `attempt_ref` for its name elsewhere."""
        return attempt_ref(replace(key, run_id=self.name_here(key.run_id)))

    def set_aside(self, *refs: str, leaving: Collection[str] = ()) -> None:
        """Keep what is at ``refs``, or below them, where nothing looks for the work of a run."""
        listed = self.git.run("for-each-ref", "--format=%(objectname) %(refname)", *refs)
        kept, moves = f"refs/autopack-aside/{secrets.token_hex(6)}/", ""
        for line in listed.splitlines():
            commit, _, ref = line.partition(" ")
            if ref in leaving:
                continue
            moves += f"create {ref.replace('refs/', kept, 1)} {commit}\ndelete {ref} {commit}\n"
        if moves:
            self.git.run("update-ref", "--stdin", "--no-deref", input=moves)

    def read_ref(self, ref: str) -> str | None:
        """Return the commit a full ref name points at, None when there is no such ref."""
        found = self.git.call("rev-parse", "--verify", "--quiet", ref)
        return found.output.decode("ascii").strip() if found.status == 0 else None

    def set_ref(self, ref: str, new: str, *, old: str | None) -> None:
        """Move ``ref`` from ``old`` (None: it must not exist) to ``new``.

        GitFailed when it stands elsewhere; no error when it stands at ``new`` already, so a step
        cut off by a crash can be repeated.
        """

        def move() -> None:
            moved = self.git.call("update-ref", "--no-deref", ref, new, old or "0" * len(new))
            if moved.status == 0:
                return
            current = self.read_ref(ref)
            if current != new:
                raise GitFailed(f"{ref} is at {current}, not at {old}: {moved.errors.strip()}")

        self.fence.hold(move)

    def put_ref(self, ref: str, commit: str) -> None:
        """Have ``ref`` at ``commit``, wherever it stands."""
        self.fence.hold(lambda: self.move_ref(ref, commit))

    def move_ref(self, ref: str, commit: str) -> None:
        """The same, for who holds the fence."""
        self.git.run("update-ref", ref, commit)

    def publish(self, run_id: str, commit: str) -> None:
        """Give the user's repository branch ``autopack/<run_id>`` at ``commit``.

        A URL is not pushed to. GitFailed, and nothing changed, when the user moved the branch or
        has it checked out, and when it was given more already.
        """
        publishing.publish(
            self.git,
            self.source,
            run_id,
            commit,
            name=self.name_here(run_id),
            fence=self.fence,
        )

    def has(self, commit: str) -> bool:
        if self.known.has_commit(commit):
            return True
        return self.git.call("cat-file", "-e", f"{commit}^{{commit}}").status == 0

    def tree_of(self, commit: str) -> str:
        wanted = ("rev-parse", "--verify", f"{commit}^{{tree}}")
        return self.known.tree_of(commit, lambda: self.git.run(*wanted).strip())

    def commit_tree(self, tree: str, *, parent: str, message: str) -> str:
        """Make the commit of ``tree`` on top of ``parent``; no ref leads to it yet."""
        commit = self.git.run("commit-tree", tree, "-p", parent, "-F", "-", input=message).strip()
        self.known.note_commit(commit, tree)
        return commit

    def paths(self, commit: str) -> tuple[str, ...]:
        """Return every path in ``commit`` (or tree), folders left out."""
        return tuple(self.modes(commit))

    def modes(self, commit: str) -> Mapping[str, str]:
        """Return every path in ``commit`` (or tree) with git's mode of it, folders left out."""
        return self._listing(commit).modes

    def folders(self, commit: str) -> tuple[str, ...]:
        """Return every folder in ``commit`` (or tree) but its root."""
        return self._listing(commit).folders

    def _listing(self, commit: str) -> Listing:
        return self.known.listing(commit, lambda: self.git.run("ls-tree", "-r", "-t", "-z", commit))

    def file_at(self, commit: str, path: str) -> bytes | None:
        """Return a file's content in ``commit`` (a link's target), None when it is not there."""
        found = self.git.call("cat-file", "blob", f"{commit}:{path}")
        return found.output if found.status == 0 else None

    def read_link(self, commit: str, path: str) -> str:
        """Return where the symbolic link at ``path`` in ``commit`` points, "" when there is
        none.
        """
        return (self.file_at(commit, path) or b"").decode("utf-8", "surrogateescape")

    def changed_paths(self, base: str, commit: str) -> tuple[Change, ...]:
        """Return what differs from ``base`` to ``commit`` (commits or trees); renames are D and A.

        A repository that an agent made inside the workspace is an added gitlink, and so is a
        submodule with work that no commit of its own holds: see ``embedded``.
        """

        def ask() -> tuple[Change, ...]:
            listed = self.git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", base, commit)
            return tuple(self._told_apart(change) for change in parse_raw_diff(listed))

        return self.known.changes(base, commit, ask)

    def diff(self, base: str, commit: str, max_bytes: int) -> str:
        """Return the patch from ``base`` to ``commit``, cut at a line end below ``max_bytes``."""
        patch, more = self.git.head(
            "diff-tree", "-p", "-r", "--no-color", "--no-ext-diff", "--no-textconv",
            "--no-renames", base, commit,
            max_bytes=max_bytes,
        )  # fmt: skip
        if not more:
            return patch.decode("utf-8", "replace")
        kept = patch[: patch.rfind(b"\n") + 1].decode("utf-8", "replace")
        return f"{kept}[the rest of the diff is left out: it is longer than {max_bytes} bytes]\n"

    def _told_apart(self, change: Change) -> Change:
        moved_link = change.mode == GITLINK and change.status == "M"
        if moved_link and self.read_ref(kept_ref(change.oid)) is not None:
            return replace(change, status="A")
        return change


def run_refs(name: str) -> tuple[str, ...]:
    """Return where in a mirror the refs of a run are, by what it is called there."""
    return (
        f"refs/autopack/{name}/",
        f"refs/autopack-base/{name}",
        f"refs/autopack-published/{name}",
        f"refs/autopack-publishing/{name}",
    )


def clone_of(home: Path, location: str) -> Path:
    """Return where the mirror of the repository at ``location`` is or will be; nobody is asked."""
    return Mirror.folder(home, SourceRepository.named(location))


def address(source: SourceRepository) -> str:
    """Return what git is given to reach the user's repository."""
    # The main repository holds the objects and tags of its linked worktrees.
    return str(source.common_dir) if source.common_dir is not None else source.location


def _clone(source: SourceRepository, git_dir: Path) -> None:
    """Clone beside ``git_dir`` and rename: only a whole mirror ever has the name."""
    fresh = git_dir.with_name(f"{git_dir.name}.{secrets.token_hex(6)}.new")
    try:
        reaching = Git(folder=git_dir.parent, as_user=True, named=source.is_local)
        # Not --local: that fails across file systems. And no hard links: a program that writes to
        # the mirror's objects would write to the user's.
        reaching.run(
            *reaching.fetching("clone", "--quiet", "--bare", "--no-hardlinks"),
            "--single-branch", "--no-tags", "--template=", "--", address(source), str(fresh),
            timeout=_TRANSFER_SECONDS,
        )  # fmt: skip
        git = Git(git_dir=fresh)
        # The user's branches have no place here: one named autopack would block autopack/<run>.
        heads = git.run("for-each-ref", "--format=delete %(refname)", "refs/heads")
        git.run("update-ref", "--stdin", "--no-deref", input=heads)
        (fresh / "info").mkdir(exist_ok=True)
        fresh.chmod(0o700)  # git makes it as the umask says
        if git_dir.exists() and not _is_repository(git_dir):
            git_dir.rename(fresh.with_suffix(".aside"))
        try:
            fresh.rename(git_dir)
        except OSError:
            if not _is_repository(git_dir):
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _is_repository(git_dir: Path) -> bool:
    """Return whether git takes a folder for a repository, as far as what it must hold tells."""
    return (git_dir / "HEAD").is_file() and all(
        (git_dir / name).is_dir() for name in ("objects", "refs")
    )


def _is_former(text: str) -> bool:
    """Return whether an exclude file holds what earlier versions wrote, and nothing of anybody
    else.
    """
    return bool(text) and set(text.splitlines()) <= set(patterns())
