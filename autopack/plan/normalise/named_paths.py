"""Which files of the repository a text names: those that exist, and those that are plainly new."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from autopack.plan.normalise.words import creates, word_set
from autopack.toolchains.tree import Tree

_ENDINGS = (
    "bash|bat|c|cc|cfg|cjs|conf|cpp|cs|css|csv|go|gradle|h|hpp|htm|html|ini|ipynb|java|js|json|jsx"
    "|kt|kts|lock|lua|md|mdx|mjs|php|pl|proto|ps1|py|pyi|rb|rs|rst|scala|scss|sh|sql|svelte|svg"
    "|swift|toml|ts|tsx|txt|vue|xml|yaml|yml|zig"
)
_FILE = re.compile(
    rf"(?<![\w/.:@~\\-])((?:\.{{0,2}}/)?(?:[\w@.+-]+/)*[\w@+-][\w@.+-]*\.(?:{_ENDINGS}))"
    r"(?![\w/-]|\.\w)"
    r"|(?<![\w/.:@~\\-])((?:[\w@.+-]+/)+)(?![\w/])"
    r"|(?<![\w/.:@~\\-])(Makefile|Dockerfile|Jenkinsfile|LICENSE)(?![\w.])"
    r"|`((?:[\w@.+-]+/)+[\w@.+-]+)`"
)
_PRODUCTS = word_set(
    "node.js vue.js next.js nuxt.js express.js react.js d3.js three.js ember.js alpine.js"
)
_REFERENCE = re.compile(
    r"\b(?:see|read|per|like|from|according to|described in|based on|as in|refer to)"
    r"(?: (?:the|also))?[ `\"']{1,3}$",
    re.IGNORECASE,
)
_LONGEST_REFERENCE = 40
_FORBIDDEN = re.compile(
    r"\b(?:do not|don'?t|never|must not|without)\s+(?:\w+\s+){0,2}?"
    r"(?:touch|touching|change|changing|edit|editing|modify|modifying)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Named:
    """What a text names: existing paths, new files, paths it forbids to change, and doubts."""

    existing: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def scope(self) -> tuple[str, ...]:
        return (*self.existing, *self.new)


@dataclass(frozen=True)
class Files:
    """The files and folders of a repository; empty when there is none."""

    paths: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    by_name: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @classmethod
    def of(cls, tree: Tree | None) -> Files:
        if tree is None:
            return cls()
        paths = [
            name if path == "." else f"{path}/{name}"
            for path, folder in tree.folders.items()
            for name in folder.files
        ]
        by_name: dict[str, tuple[str, ...]] = {}
        for path in sorted(paths):
            name = posixpath.basename(path)
            by_name[name] = (*by_name.get(name, ()), path)
        return cls(frozenset(paths), frozenset(tree.folders), by_name)


def named_paths(text: str, files: Files) -> Named:
    """Return the paths in ``text``. A path that is only referred to ("see a.md") is not named."""
    existing: dict[str, None] = {}
    new: dict[str, None] = {}
    read_only: dict[str, None] = {}
    warnings: list[str] = []
    forbidden, may_be_new = _FORBIDDEN.search(text), creates(text)
    for found in _FILE.finditer(text):
        written = next(group for group in found.groups() if group)
        if written.lower() in _PRODUCTS and written not in files.by_name:
            continue
        begun = found.start()
        if _REFERENCE.search(text, max(begun - _LONGEST_REFERENCE, 0), begun):
            continue
        path, problem = _resolved(written, files, may_be_new=may_be_new)
        if problem:
            warnings.append(problem)
        if path is None:
            continue
        if forbidden and found.start() > forbidden.start():
            read_only[path] = None
        elif path.rstrip("/") in files.folders or path in files.paths:
            existing[path] = None
        else:
            new[path] = None
    return Named(tuple(existing), tuple(new), tuple(read_only), tuple(warnings))


def _resolved(written: str, files: Files, *, may_be_new: bool) -> tuple[str | None, str | None]:
    """Return the path that ``written`` means, or None, and what is doubtful about it."""
    if written.startswith("/") or ".." in written.split("/"):
        return None, f"{written} lies outside the repository and was skipped"
    path = posixpath.normpath(written) + ("/" if written.endswith("/") else "")
    if path in files.paths:
        return path, None
    if path.rstrip("/") in files.folders:
        return path.rstrip("/") + "/", None
    candidates = files.by_name.get(path, ()) if "/" not in path else ()
    if len(candidates) == 1:
        return candidates[0], None
    if candidates:
        return None, f"{written} could be any of {', '.join(candidates[:4])}; write the whole path"
    if may_be_new:
        return path, None
    return None, f"{written} does not exist and was skipped"
