"""Recording the files of a folder in an index; what cannot be recorded is named."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from autopack.files.untrusted import same_content
from autopack.workspace.git import Finished, Git, failure

MAX_FILE_BYTES = 100_000_000
"""What GitHub takes at most."""
MAX_TOTAL_BYTES = 2_000_000_000

_TRIES = 50
_QUOTED = re.compile(r"^(?:fatal|error): .*?'(.+?)'", re.MULTILINE)
# The machine is to blame for these, not the files.
_MACHINE = re.compile(
    r"No space left|quota exceeded|Read-only file system|Input/output error|unable to write"
    r"|insufficient permission for adding an object|Cannot allocate memory|Out of memory"
)
_RESERVED = re.compile(r"\.git[ .]*|git~\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Bounds:
    """What one attempt may add to a repository: bytes in a file and in all, and no secret.

    ``is_secret`` tells of a file's content whether it may not be there.
    """

    file: int = MAX_FILE_BYTES
    total: int = MAX_TOTAL_BYTES
    is_secret: Callable[[BinaryIO], bool] | None = None


@dataclass(frozen=True)
class Refused:
    """A path that no commit can hold as it is, and why."""

    path: str
    reason: str


def stage(git: Git, closed: Sequence[str], bounds: Bounds, found: Sequence[str]) -> list[Refused]:
    """Have the index hold the files of the work tree, but for those that are ignored.

    Nothing below the paths ``closed`` is looked at; ``found`` are the `candidates`. A file whose
    bytes are as a checkout of the index writes them keeps its entry, whatever line ends or
    encodings git would convert: what is written and what is read are each other's inverse. Returns
    what could not be recorded; raises GitFailed where that is the machine's fault.
    """
    with tempfile.TemporaryDirectory(prefix="autopack-staging-") as scratch:
        before = replace(git, index_file=Path(scratch, "index"), work_tree=Path(scratch, "files"))
        before.files.mkdir()
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(git.index, before.index)
        refused = _too_large(git, found, bounds)
        if bounds.is_secret is not None:
            large = {one.path for one in refused}
            left = [path for path in found if path not in large]
            refused += _secret(git, left, bounds.is_secret)
        refused += _add(git, [*closed, *(one.path for one in refused)])
        if before.index.is_file():
            same = _unchanged(git, before, [one.path for one in refused])
            refused = [one for one in refused if one.path not in same]
            _keep_unconverted(git, before)
    return refused


def candidates(git: Git, closed: Sequence[str]) -> list[str]:
    """Return the files that adding would change: new ones, and those that are not as the index
    has them.
    """
    listed = git.run(
        *("ls-files", "-z", "--others", "--modified", "--exclude-standard"),
        *("--", ".", *_but(closed)),
    )
    return list(dict.fromkeys(listed.split("\0")[:-1]))


def gitlinks(git: Git) -> dict[str, str]:
    """Return the paths of the index that are links to a commit, with that commit."""
    entries = (entry.partition("\t") for entry in git.run("ls-files", "--stage", "-z").split("\0"))
    return {path: facts.split(" ")[1] for facts, _, path in entries if facts.startswith("160000")}


def set_entries(git: Git, entries: Mapping[str, tuple[str, str]]) -> None:
    """Have the index hold (mode, object id) for each path, whatever is there."""
    lines = "".join(f"{mode} {oid}\t{path}\0" for path, (mode, oid) in entries.items())
    git.run("update-index", "-z", "--replace", "--index-info", input=lines)


def _too_large(git: Git, paths: Sequence[str], bounds: Bounds) -> list[Refused]:
    sizes: dict[str, int] = {}
    for path in paths:
        place = git.files / path
        if not place.is_symlink() and place.is_file():
            sizes[path] = place.stat().st_size
    refused = [
        Refused(path, f"has {size:,} bytes, and {bounds.file:,} are the most of a file")
        for path, size in sizes.items()
        if size > bounds.file
    ]
    kept = {path: size for path, size in sizes.items() if size <= bounds.file}
    total = sum(kept.values())
    for path, size in sorted(kept.items(), key=lambda item: -item[1]):
        if total <= bounds.total:
            break
        total -= size
        most = f"{bounds.total:,} bytes are the most of a change"
        refused.append(Refused(path, f"is more than there is room for: {most}"))
    return refused


def _secret(git: Git, paths: Sequence[str], is_secret: Callable[[BinaryIO], bool]) -> list[Refused]:
    """Return the files that hold a secret which the version before did not hold."""

    def holds(content: bytes) -> bool:
        return is_secret(io.BytesIO(content))

    refused: list[Refused] = []
    for path in paths:
        place, name = git.files / path, path.encode("utf-8", "surrogateescape")
        found = holds(name)
        with contextlib.suppress(OSError):  # what cannot be read is refused for that
            if place.is_symlink():
                found = found or holds(os.fsencode(place.readlink()))
            elif place.is_file():
                with place.open("rb") as file:
                    found = found or is_secret(file)
        if found and not holds(_before(git, path)):
            refused.append(Refused(path, "holds a key that Autopack was given"))
    return refused


def _before(git: Git, path: str) -> bytes:
    """Return what the index has at ``path``, and its name; nothing where it has nothing there."""
    there = git.call("cat-file", "blob", f":0:{path}")
    return path.encode("utf-8", "surrogateescape") + there.output if there.status == 0 else b""


def _add(git: Git, closed: Sequence[str]) -> list[Refused]:
    """Add everything but what is ``closed``; return what git would not take."""
    refused: dict[str, str] = {}
    for _ in range(_TRIES):
        patterns = [".", *_but([*closed, *refused])]
        added = git.call(
            "add", "-A", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul",
            input="\0".join(patterns),
        )  # fmt: skip
        if added.status == 0:
            break
        if _MACHINE.search(added.errors) and not _is_name(git, closed):
            raise failure(("add", "-A"), added)
        told = _blamed(git, added)
        if "fatal: adding files failed" not in added.errors and "fatal:" in added.errors:
            # The first of its kind ended it.
            fresh = {path: why for path, why in told.items() if path not in refused}
            if not fresh:
                raise failure(("add", "-A"), added)
            refused |= fresh
            continue
        left = candidates(git, [*closed, *refused])
        if not left and not told:
            raise failure(("add", "-A"), added)
        refused |= {path: told.get(path) or _why(path) for path in [*left, *told]}
        break
    else:
        # Each of them ends git; nobody waits for as many tries as there are files.
        why = f"is not looked at: {_TRIES} others cannot be recorded"
        refused |= dict.fromkeys(candidates(git, [*closed, *refused]), why)
        git.run(
            "add", "-A", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul",
            input="\0".join([".", *_but([*closed, *refused])]),
        )  # fmt: skip
    return [Refused(path, reason) for path, reason in refused.items()]


def _is_name(git: Git, closed: Sequence[str]) -> bool:
    """Return whether a file is called as git complains of the machine: its name stands there."""
    return any(_MACHINE.search(path) for path in candidates(git, closed))


def _blamed(git: Git, added: Finished) -> dict[str, str]:
    """Return the paths that git names in its complaints, with what it says of them."""
    blamed: dict[str, str] = {}
    for found in _QUOTED.finditer(added.errors):
        path = found[1].removesuffix("/")
        if (git.files / path).exists() or (git.files / path).is_symlink():
            line = added.errors[found.start() :].partition("\n")[0]
            blamed.setdefault(path, line.partition(": ")[2])
    for line in added.errors.splitlines():
        # open("name"): Permission denied
        opened = re.match(r'error: open\("(.+)"\): (.+)', line)
        if opened is not None:
            blamed[opened[1]] = f"cannot be read: {opened[2]}"
    return blamed


def _why(path: str) -> str:
    if any(_RESERVED.fullmatch(part) for part in path.split("/")):
        return "has a name that git keeps for itself"
    return "is not taken by git"


def _but(paths: Iterable[str]) -> list[str]:
    return [f":(exclude,top,literal){path}" for path in paths]


def _keep_unconverted(git: Git, before: Git) -> None:
    """Give files back their entries where their bytes are what a checkout wrote."""
    if not any(_has_attributes(one) for one in (before, git)):
        return
    entries = {
        path: (mode, oid)
        for path, mode, oid, now in _modified(git, before.run("write-tree").strip())
        if mode == now and mode.startswith("100")
    }
    same = _unchanged(git, before, list(entries))
    if same:
        set_entries(git, {path: entries[path] for path in same})


def _unchanged(git: Git, before: Git, paths: Sequence[str]) -> set[str]:
    """Those of the files that have the bytes which a checkout of the index ``before`` writes."""
    if not paths:
        return set()
    listed = "".join(f"{path}\0" for path in paths)
    # A path that the index does not have is an error of no consequence.
    before.call("checkout-index", "--force", "--quiet", "-z", "--stdin", input=listed)
    return {path for path in paths if same_content(git.files / path, before.files / path)}


def _has_attributes(git: Git) -> bool:
    pattern = ":(top,glob)**/.gitattributes"
    return bool(git.run("ls-files", "-z", "--cached", "--", pattern))


def _modified(git: Git, tree: str) -> list[tuple[str, str, str, str]]:
    """Path, old mode, old object and new mode of what the index has otherwise than ``tree``."""
    listed = git.run("diff-index", "--cached", "-z", "--raw", "--no-renames", tree)
    fields = listed.split("\0")
    rows: list[tuple[str, str, str, str]] = []
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, oid, _, status = head.removeprefix(":").split(" ")
        if status == "M":
            rows.append((path, old_mode, oid, new_mode))
    return rows
