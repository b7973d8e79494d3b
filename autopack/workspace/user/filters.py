"""Files that git keeps through a filter (Git LFS, git-crypt), which Autopack does not run.

A filter is a program, and its name is the repository's choice. Such files stay as they are in the
repository: an LFS file is a pointer in the workspace, and goes back as that pointer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from autopack.workspace.changes import Change
from autopack.workspace.content.staging import Refused
from autopack.workspace.git import Git
from autopack.workspace.source import SourceRepository

LFS = "lfs"
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
_NONE = {"unspecified", "unset", "set", ""}
_ATTRIBUTES = ":(top,glob)**/.gitattributes"


def refused(git: Git, source: SourceRepository, changes: Iterable[Change]) -> list[Refused]:
    """Return the changed files that may only be stored through a filter.

    ``git`` has the index that the changes are in. A pointer of Git LFS is what its filter would
    give. Filters that the user's configuration does not call required are passed over, as git
    passes them over where they are not installed.
    """
    written = {one.path: one.oid for one in changes if one.status != "D" and _is_file(one)}
    found: list[Refused] = []
    required: dict[str, bool] = {}
    for path, name in _filtered(git, written).items():
        if name == LFS:
            content, more = git.head("cat-file", "blob", written[path], max_bytes=_POINTER_BYTES)
            if not more and content.startswith(_POINTER):
                continue
        elif not required.setdefault(name, _is_required(source, name)):
            continue
        kept = "in Git LFS" if name == LFS else f"through the filter {name!r}"
        found.append(Refused(path, f"is kept {kept}, which Autopack does not run"))
    return found


def in_use(mirror: Git, commit: str) -> Mapping[str, tuple[str, ...]]:
    """Return the filters that ``commit`` keeps files through, with the paths of those files."""
    mentioned = mirror.call("grep", "-q", "-e", "filter=", commit, "--", _ATTRIBUTES)
    if mentioned.status != 0:
        return {}
    with tempfile.TemporaryDirectory(prefix="autopack-filters-") as scratch:
        git = replace(mirror, index_file=Path(scratch, "index"), work_tree=Path(scratch))
        git.run("read-tree", commit)
        paths = git.run("ls-files", "-z").split("\0")[:-1]
        by_name: dict[str, list[str]] = {}
        for path, name in _filtered(git, paths).items():
            by_name.setdefault(name, []).append(path)
    return {name: tuple(listed) for name, listed in by_name.items()}


def _filtered(git: Git, paths: Iterable[str]) -> dict[str, str]:
    listed = "".join(f"{path}\0" for path in paths)
    if not listed or not git.run("ls-files", "-z", "--cached", "--", _ATTRIBUTES):
        return {}
    told = git.run("check-attr", "--cached", "-z", "--stdin", "filter", input=listed).split("\0")
    pairs = zip(told[::3], told[2::3], strict=False)
    return {path: name for path, name in pairs if name not in _NONE}


def _is_required(source: SourceRepository, name: str) -> bool:
    git = Git(folder=Path("/"), as_user=True) if source.is_url else source.git
    setting = git.call("config", "--type=bool", "--get", f"filter.{name}.required")
    return setting.status == 0 and setting.output.strip() == b"true"


def _is_file(change: Change) -> bool:
    return change.mode.startswith("100")
