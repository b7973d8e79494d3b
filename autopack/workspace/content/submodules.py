"""The submodules of a workspace: fetched into the mirror, written and read by its git alone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from autopack.files.untrusted import remove_tree
from autopack.model.errors import GitFailed
from autopack.workspace import agent_git
from autopack.workspace.content.left_rules import drop_rules_left_in
from autopack.workspace.content.staging import gitlinks
from autopack.workspace.content.survey import repositories
from autopack.workspace.git import Finished, Git, failure
from autopack.workspace.source import SourceRepository, is_on_this_machine, without_credentials

_FETCH_SECONDS = 3600.0
_IMPATIENT = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60")


# A server that did not have a commit is not asked again at every reset.
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Module:
    """A submodule: where it lies, the commit it is at, and what to fetch that from.

    ``own`` are the user's clones of it, which cost no network and are trusted as the user's
    repository is; ``url`` is what .gitmodules says, ``named`` whether the user took that over.
    """

    path: str
    commit: str
    url: str
    named: bool
    own: tuple[str, ...]
    below: Origin

    def obtain(self, mirror: Git, commit: str) -> str | None:
        """Have ``commit`` with its history in the mirror; return why it cannot be had."""
        ref = f"refs/autopack-submodules/{commit}"
        if mirror.call("rev-parse", "--verify", "--quiet", ref).status == 0:
            return None
        note = mirror.repository / "autopack-missing" / commit
        with contextlib.suppress(FileNotFoundError):
            if time.time() - note.stat().st_mtime < _PATIENCE_SECONDS:
                return note.read_text(encoding="utf-8")
        why = self._fetch(mirror, commit, ref)
        if why is not None:
            note.parent.mkdir(exist_ok=True)
            note.write_text(why, encoding="utf-8", errors="replace")
        return why

    def _fetch(self, mirror: Git, commit: str, ref: str) -> str | None:
        why = "nothing says where it comes from"
        for place, named in [*((own, True) for own in self.own), (self.url, self.named)]:
            if not place:
                continue
            fetched = _fetch(mirror, place, f"{commit}:{ref}", named=named)
            if fetched.status != 0:
                # Old servers give commits away by the name of a ref only.
                heads = f"+refs/heads/*:refs/autopack-submodules/{_digest(place)}/*"
                _fetch(mirror, place, heads, named=named)
                if mirror.call("cat-file", "-e", f"{commit}^{{commit}}").status == 0:
                    mirror.run("update-ref", ref, commit)
                    return None
            if fetched.status == 0:
                return None
            said = failure(("fetch",), fetched).message
            why = without_credentials(f"it cannot be fetched from {place}: {said}")
        return why

    def is_of_origin(self, mirror: Git, commit: str) -> bool:
        """Return whether ``commit`` is one that others can fetch too; asks where that is
        not known.
        """
        known = ("for-each-ref", "--count=1", "--contains", commit, "refs/autopack-submodules")
        found = mirror.call(*known)
        if found.status == 0 and found.output:
            return True
        return self.obtain(mirror, commit) is None


@dataclass(frozen=True)
class Origin:
    """Where a repository's submodules may come from.

    ``modules`` is the folder with the user's clones of them, ``checkout`` the user's working
    copy, ``url`` what relative URLs start from, ``taken_over`` the URLs in the user's own
    configuration by the name of the submodule.
    """

    modules: Path | None
    checkout: Path | None
    url: str
    taken_over: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, source: SourceRepository) -> Origin:
        if source.common_dir is None:
            return cls(None, None, source.location)
        listed = source.git.run(
            "config", "-z", "--get-regexp", r"^submodule\..*\.url$", check=False
        )
        pairs = (entry.partition("\n") for entry in listed.split("\0")[:-1])
        taken_over = {key[len("submodule.") : -len(".url")]: url for key, _, url in pairs}
        modules = source.common_dir / "modules"
        return cls(modules, Path(source.location), source.remote_url(), taken_over)

    def modules_of(self, git: Git) -> Iterator[Module]:
        """Yield the submodules that the index and its .gitmodules name."""
        links = gitlinks(git)
        if not links:
            return
        for name, settings in _declared(git).items():
            path, url = settings.get("path", ""), settings.get("url", "")
            if path not in links or settings.get("update") == "none":
                continue
            url = absolute_url(url, self.url) if url else ""
            taken_over = self.taken_over.get(name)
            yield Module(
                path=path,
                commit=links[path],
                url=url,
                named=taken_over == url or not is_on_this_machine(url),
                own=tuple(self._own(name, path)),
                below=Origin(
                    self.modules / name / "modules" if self.modules is not None else None,
                    self.checkout / path if self.checkout is not None else None,
                    url,
                ),
            )

    def _own(self, name: str, path: str) -> Iterator[str]:
        if self.modules is not None and (self.modules / name / "HEAD").is_file():
            yield str(self.modules / name)
        elif self.checkout is not None:
            place = self.checkout / path
            if place.resolve() == self.checkout.resolve() / path and (place / ".git").exists():
                yield str(place)


def restore(git: Git, private: Path, origin: Origin, pristine: Path) -> dict[str, str]:
    """Have every submodule of the checkout at its commit, with a fresh ``.git`` of its own.

    One that cannot be fetched is an empty folder, as in a checkout that never asked for it;
    returned are their paths, each with the reason.
    """
    missing: dict[str, str] = {}
    for module in origin.modules_of(git):
        folder = _clear_way(git.files, module.path)
        why = module.obtain(Git(git_dir=git.git_dir), module.commit)
        if why is not None:
            remove_tree(folder)
            folder.mkdir()
            missing[module.path] = why
            continue
        inner, own = inside(git, private, module)
        own.mkdir(parents=True, exist_ok=True)
        _check_out(inner, own / "index", module.commit)
        agent_git.install_submodule(
            pristine, folder / ".git", module.commit, git.excludes, module.url
        )
        shutil.copyfile(own / "index", folder / ".git" / "index")
        below = restore(inner, own, module.below, pristine)
        missing |= {f"{module.path}/{path}": why for path, why in below.items()}
    return missing


def _clear_way(root: Path, path: str) -> Path:
    """Return the folder at ``path``, made where it is not there, with nothing but folders
    above it.
    """
    place = root
    for part in PurePosixPath(path).parts:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
        place.mkdir(exist_ok=True)
    return place


def _check_out(git: Git, index: Path, commit: str) -> None:
    index.with_name("index.lock").unlink(missing_ok=True)
    drop_rules_left_in(git, commit)
    try:
        git.run("read-tree", "--reset", "-u", commit)
    except GitFailed:
        index.unlink(missing_ok=True)
        remove_tree(git.files)
        git.files.mkdir()
        git.run("read-tree", "--reset", "-u", commit)
    git.run("clean", "--quiet", "-ffd")
    links = gitlinks(git)
    for path in repositories(git.files):
        if path not in links:
            remove_tree(git.files / path / ".git")


def index_of(private: Path, path: str) -> Path:
    """Return where the index of the submodule at ``path`` is kept."""
    return private / "submodules" / _digest(path) / "index"


def inside(git: Git, private: Path, module: Module) -> tuple[Git, Path]:
    """Git for the files of a submodule of the checkout ``git``, and its own private folder."""
    index = index_of(private, module.path)
    return replace(git, work_tree=git.files / module.path, index_file=index), index.parent


def has(mirror: Git, commit: str) -> bool:
    """Return whether the mirror holds ``commit``."""
    return mirror.call("cat-file", "-e", f"{commit}^{{commit}}").status == 0


def _fetch(mirror: Git, place: str, refspec: str, *, named: bool) -> Finished:
    local = is_on_this_machine(place)
    reaching = Git(
        git_dir=mirror.git_dir, as_user=True, named=named and local, from_stranger=not named
    )
    words = reaching.fetching("fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance")
    return reaching.call(
        *_IMPATIENT, *words, "--no-tags", "--update-shallow", "--no-recurse-submodules", "--",
        place, refspec,
        timeout=_FETCH_SECONDS,
    )  # fmt: skip


def _declared(git: Git) -> dict[str, dict[str, str]]:
    listed = git.call(
        "config", "--blob", ":.gitmodules", "-z", "--get-regexp",
        r"^submodule\..*\.(path|url|update)$",
    )  # fmt: skip
    declared: dict[str, dict[str, str]] = {}
    for entry in listed.output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        key, _, value = entry.partition("\n")
        name, _, setting = key.removeprefix("submodule.").rpartition(".")
        # git refuses such names as well: they would leave the folder of clones.
        if ".." not in name.split("/") and not PurePosixPath(name).is_absolute():
            declared.setdefault(name, {})[setting] = value
    return declared


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def absolute_url(url: str, base: str) -> str:
    """``url`` as it stands, or resolved against ``base`` when it starts with ./ or ../."""
    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            cut = max(base.rfind("/"), base.rfind(":"))
            separator = base[cut] if cut >= 0 else "/"
            base = base[: max(cut, 0)]
            if separator == ":":
                return f"{base}:{url.removeprefix('../')}"
        url = url.split("/", 1)[1]
    return f"{base}/{url}"
