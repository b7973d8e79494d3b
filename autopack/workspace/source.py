"""The user's repository, a folder or a URL: read, checked, and never changed from here."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

from autopack.model.errors import BadInput, GitFailed, RepositoryError
from autopack.model.locations import expanded, is_there, is_url
from autopack.secrecy.addresses import check_no_secret
from autopack.workspace.git import Finished, Git

BRANCH_FOLDER = "autopack"

_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CREDENTIALS = re.compile(r"://[^/\s]+@")
_REMOTE_SECONDS = 120.0


@dataclass(frozen=True)
class SourceRepository:
    """A repository that a run starts from.

    ``location`` is the top folder of a checkout, or a URL. ``git_dir`` is the checkout's own git
    folder, ``common_dir`` that of its main repository (they differ in a linked worktree); both
    are None for a URL. ``head`` is the commit that HEAD named when it was opened; None where that
    is not known, or there is none.
    """

    location: str
    key: str
    git_dir: Path | None = None
    common_dir: Path | None = None
    head: str | None = field(default=None, compare=False)

    @classmethod
    def open(cls, location: str) -> SourceRepository:
        """Return the repository at ``location``; a subfolder of a checkout means the whole
        checkout.

        Raises RepositoryError, which says what is wrong, when it cannot be used.
        """
        if not location.strip() or location.startswith("-") or "\0" in location:
            raise _unusable(location, "is not the name of a repository")
        if is_url(location):
            return _open_url(location)
        return _open_folder(expanded(location, "repo"))

    @classmethod
    def named(cls, location: str) -> SourceRepository:
        """Return the repository at a ``location`` that `open` gave, which is not looked at
        again.
        """
        return cls(location, _key(location))

    @property
    def is_url(self) -> bool:
        return self.git_dir is None

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine: a folder, or a file:// URL."""
        return not self.is_url or is_on_this_machine(self.location)

    @property
    def git(self) -> Git:
        """Git inside the user's repository; for a URL, git outside any repository."""
        if self.git_dir is None:
            return Git(as_user=True, named=self.is_local)
        return Git(git_dir=self.git_dir, work_tree=Path(self.location), as_user=True)

    def resolve(self, rev: str | None) -> str:
        """Return the full id of the commit that ``rev`` names; None means HEAD as it was opened.

        Raises RepositoryError naming the field ``commit`` when it names none.
        """
        if rev is None and self.head is not None:
            return self.head
        name = "HEAD" if rev is None else rev
        if not name.strip() or name.startswith("-") or not name.isprintable():
            raise _no_commit(name, self.location)
        if self.is_url:
            return self._resolve_remote(name)
        found = self.git.call("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        commit = found.output.decode("ascii", "replace").strip()
        if found.status != 0 or _FULL_SHA.fullmatch(commit) is None:
            raise _no_commit(name, self.location)
        return commit

    def has_commits(self) -> bool:
        """Return whether any ref names a commit, though HEAD may name none."""
        if self.is_url:
            return bool(self._remote_refs())
        return bool(self.git.run("rev-list", "--all", "--max-count=1", check=False).strip())

    def is_dirty(self) -> bool | None:
        """Return whether the checkout has changes that no commit holds; a URL never has. None
        where git cannot tell, as with an index that is damaged.

        No filter runs for that: which program one is, the repository's own configuration says.
        """
        if self.is_url:
            return False
        pattern = r"^filter\..*\.(clean|process|required)$"
        listed = self.git.call("config", "-z", "--name-only", "--get-regexp", pattern)
        names = os.fsdecode(listed.output).split("\0")[:-1]
        off = tuple((name, "false" if name.endswith(".required") else "") for name in names)
        git = replace(self.git, settings=off)
        found = git.call("status", "--porcelain", "-z", "--ignore-submodules=dirty")
        return None if found.status != 0 else bool(found.output)

    def current_branch(self) -> str | None:
        """The branch HEAD is on, None when it is detached."""
        if self.is_url:
            asked = self.git.fetching("ls-remote", "--symref", "--", self.location, "HEAD")
            first = self.git.run(*asked, timeout=_REMOTE_SECONDS)
            found = re.match(r"ref: refs/heads/(\S+)\tHEAD", first)
            return found[1] if found else None
        name = self.git.run("symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip()
        return name or None

    def has_branch(self, name: str) -> bool:
        ref = f"refs/heads/{name}"
        if self.is_url:
            return ref in self._remote_refs(ref)
        return self.git.call("show-ref", "--verify", "--quiet", ref).status == 0

    def check_publishable(self) -> None:
        """Raise RepositoryError when a branch named ``autopack`` leaves no room for results."""
        if self.has_branch(BRANCH_FOLDER):
            raise RepositoryError(
                f"{self.location} has a branch named {BRANCH_FOLDER!r}: git cannot hold the "
                f"results, branches named {BRANCH_FOLDER}/<run id>, beside it",
                field="repo",
                hint=f"rename it: git branch -m {BRANCH_FOLDER} <another name>",
            )

    def remote_url(self) -> str:
        """Return what relative submodule URLs of this repository are relative to, as git defines
        it.
        """
        if self.is_url:
            return self.location
        return self.git.run("config", "remote.origin.url", check=False).strip() or self.location

    def _resolve_remote(self, name: str) -> str:
        if _FULL_SHA.fullmatch(name):
            return name
        wanted = [f"refs/tags/{name}^{{}}", f"refs/tags/{name}", f"refs/heads/{name}", name]
        refs = self._remote_refs(name, f"{name}^{{}}")
        for ref in wanted:
            if ref in refs:
                return refs[ref]
        raise _no_commit(name, self.location)

    def _remote_refs(self, *patterns: str) -> dict[str, str]:
        asked = self.git.fetching("ls-remote", "--", self.location, *patterns)
        listed = self.git.run(*asked, timeout=_REMOTE_SECONDS)
        pairs = (line.split("\t", 1) for line in listed.splitlines())
        return {ref: commit for commit, ref in pairs}


def _open_url(url: str) -> SourceRepository:
    try:
        check_no_secret(url, "repo")
    except BadInput as error:
        raise RepositoryError(error.message, field="repo", hint=error.hint) from error
    url = url.rstrip("/")
    source = SourceRepository(url, _key(url))
    try:
        return replace(source, head=source.resolve(None))
    except GitFailed as error:
        raise _unusable(url, f"cannot be read: {error.message}") from error
    except RepositoryError as error:
        if not source.has_commits():
            raise _unusable(url, "has no commits yet") from error
        return source


def _open_folder(folder: Path) -> SourceRepository:
    if not is_there(folder):
        raise _unusable(folder, "does not exist", hint="name a folder that does, or a URL")
    if not folder.is_dir():
        raise _unusable(folder, "is a file, not a folder")
    asked = ("--is-bare-repository", "--is-inside-git-dir", "--absolute-git-dir")
    found = Git(folder=folder, as_user=True).call(
        "rev-parse", *asked, "--path-format=absolute", "--git-common-dir", "--show-toplevel"
    )
    answers = os.fsdecode(found.output).split("\n")[:-1]
    if len(answers) < len(asked):
        raise _not_a_repository(folder, found)
    if answers[0] == "true":
        raise _unusable(folder, "is a bare repository", hint="name a checkout, or use file://")
    if answers[1] == "true":
        raise _unusable(folder, "is inside a .git folder", hint="name the checkout itself")
    if found.status != 0 or len(answers) < 5:
        raise _unreadable(folder, found)
    if len(answers) > 5:  # git names the folders on lines, and files that tell of them as well
        raise _unusable(
            folder, "has a line break in its path", hint="rename the folder, or use a clone of it"
        )
    top = Path(answers[4]).resolve()
    source = SourceRepository(str(top), _key(str(top)), Path(answers[2]), Path(answers[3]))
    try:
        return replace(source, head=source.resolve(None))
    except RepositoryError as error:
        if not source.has_commits():
            raise _unusable(top, "has no commits yet", hint="commit something first") from error
        return source


def _not_a_repository(folder: Path, found: Finished) -> RepositoryError:
    if "dubious ownership" in found.errors:
        # The folder that git wants to be told of is the top of the checkout.
        command = re.search(r"^\s*(git config .*safe\.directory .*)$", found.errors, re.MULTILINE)
        whole = f"git config --global --add safe.directory {folder.resolve()}"
        return _unusable(
            folder,
            "belongs to another user, and git refuses to use it",
            hint=command[1] if command else whole,
        )
    if "not a git repository" in found.errors:
        return _unusable(folder, "is not a git repository", hint="git init, and commit its files")
    return _unreadable(folder, found)


def _unreadable(folder: Path, found: Finished) -> RepositoryError:
    """Return git's own words: their lines may be one sentence."""
    said = " ".join(found.errors.split()).removeprefix("fatal: ")
    return _unusable(
        folder,
        f"cannot be read by git: {said[:600] or f'exit status {found.status}'}",
        hint=f"git -C {shlex.quote(str(folder))} status says the same, until that is repaired",
    )


def _unusable(location: str | Path, reason: str, *, hint: str | None = None) -> RepositoryError:
    return RepositoryError(f"{str(location)!r} {reason}", field="repo", hint=hint)


def _no_commit(rev: str, location: str) -> RepositoryError:
    unborn = rev == "HEAD"  # as on a branch that was made with --orphan
    hint = "give a full commit id, a branch or a tag" if unborn or is_url(location) else None
    return RepositoryError(f"{rev!r} names no commit of {location}", field="commit", hint=hint)


def is_on_this_machine(location: str) -> bool:
    """Return whether git reaches ``location`` through the file system."""
    return location.startswith("file://") or not is_url(location)


def without_credentials(text: str) -> str:
    """``text`` with what a URL in it holds before its @ left out."""
    return _CREDENTIALS.sub("://***@", text)


def _key(canonical: str) -> str:
    name = re.split(r"[/\\:]", canonical.rstrip("/\\"))[-1].removesuffix(".git")
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:40] or "repository"
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{safe}-{digest}"
