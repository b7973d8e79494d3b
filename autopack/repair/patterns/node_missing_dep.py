"""A Node package, or a tool that a script calls, is not installed.

Not a missing dependency: a relative or absolute path, an alias of the project, a folder of the
project, a built-in module, and what other languages say in nearly the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns.failure_pattern import Evidence, Match, Proposal
from autopack.repair.patterns.worktree_files import holding
from autopack.toolchains.manifests import read_json, table
from autopack.toolchains.toolchain import (
    Command,
)
from autopack.toolchains.tree import Tree, join

_QUOTED = r"['\"`](?P<{}>[^'\"`\n]{{1,214}})['\"`]"
_CANNOT_FIND = re.compile(
    r"\b(?:Cannot find (?:module|package)|Can't resolve|Failed to resolve import) "
    + _QUOTED.format("name")
    + r"(?P<rest>[^\n]{0,60})"
)
_TOOL = re.compile(
    r"^(?:[/\w]{0,40}sh: (?:(?:line )?\d{1,6}: )?(?P<sh>[\w.-]{1,60}): (?:command )?not found"
    r"|'(?P<cmd>[\w.-]{1,60})' is not recognized as an internal or external command)",
    re.MULTILINE,
)
_CODE = re.compile(r"\bMODULE_NOT_FOUND\b")
_BUILT_IN = """
assert async_hooks buffer child_process cluster console constants crypto dgram dns domain events fs
http http2 https inspector module net os path perf_hooks process punycode querystring readline repl
stream string_decoder sys timers tls tty url util v8 vm wasi worker_threads zlib
"""
_BUILT_IN_MODULES = frozenset(_BUILT_IN.split())
_NAME = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-zA-Z0-9_~-][a-zA-Z0-9._~-]*")
_TABLES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_TOOLS_OF = {"tsc": "typescript", "vue-cli-service": "@vue/cli-service", "ng": "@angular/cli"}

_INSTALL: dict[str, Command] = {
    "npm": ("npm", "install", "--no-audit", "--no-fund"),
    "yarn": ("yarn", "install"),
    "pnpm": ("pnpm", "install"),
}
_BASES = (".", "src", "app", "lib")
_ENDINGS = (".js", ".ts", ".tsx", ".jsx", ".mjs", ".cjs", ".json")
_LOCKS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn"}


class NodeMissingDep:
    """A package that Node, a bundler or TypeScript cannot find, or a script's tool."""

    pattern_id = "node_missing_dep"
    priority = 1
    summary = "a Node dependency is not installed: install it from package.json"

    def detect(self, evidence: Evidence) -> Match | None:
        declaring = _declaring(evidence.tree)
        packages = _missing(evidence, declaring)
        if packages:
            captured = {"package": packages[0]}
            if packages[0] in declaring:
                captured["declared_in"] = join(declaring[packages[0]], "package.json")
            return Match(self.pattern_id, self.priority, captured)
        says_only_the_code = _CODE.search(evidence.text) and not _CANNOT_FIND.search(evidence.text)
        return Match(self.pattern_id, self.priority) if says_only_the_code else None

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        declaring = _declaring(evidence.tree)
        packages = _missing(evidence, declaring)
        if packages:
            folders = sorted({declaring[name] for name in packages if name in declaring})
        else:
            folders = _never_installed(evidence)
        return Proposal(
            self.pattern_id,
            run=tuple(Check(folder, _INSTALL[_manager(evidence, folder)]) for folder in folders),
            suggestions=tuple(
                f"add {name!r} to package.json" for name in packages if name not in declaring
            ),
        )


def _missing(evidence: Evidence, declaring: Mapping[str, str]) -> list[str]:
    """Return the packages that are not installed, each once, in the order of the output."""
    found = dict.fromkeys((*_packages(evidence, declaring), *_tools(evidence, declaring)))
    return list(found)


def _packages(evidence: Evidence, declaring: Mapping[str, str]) -> Iterator[str]:
    for specifier in dict.fromkeys(hit["name"] for hit in _CANNOT_FIND.finditer(evidence.text)):
        parts = specifier.split("/")
        scoped = specifier.startswith("@") and len(parts) > 1
        name = "/".join(parts[:2]) if scoped else parts[0]
        if not _NAME.fullmatch(name) or specifier.startswith(("node:", "~")):
            continue
        if name not in _BUILT_IN_MODULES and (name in declaring or not _is_local(evidence, name)):
            yield name


def _tools(evidence: Evidence, declaring: Mapping[str, str]) -> Iterator[str]:
    """Tools a script calls, only where package.json declares them: a shell finds many others."""
    for found in _TOOL.finditer(evidence.text):
        tool = found["sh"] or found["cmd"]
        name = _TOOLS_OF.get(tool, tool)
        if name in declaring:
            yield name


def _is_local(evidence: Evidence, name: str) -> bool:
    """Return whether a base URL or a path alias makes ``name`` a folder or file of the project."""
    if evidence.tree is None:
        return False
    folders = [evidence.tree.folders.get(base) for base in _BASES]
    return any(
        folder and (name in folder.folders or any(name + end in folder.files for end in _ENDINGS))
        for folder in folders
    )


def _declaring(tree: Tree | None) -> dict[str, str]:
    """Return the folder whose package.json declares a package, by package; the nearest one wins."""
    found: dict[str, str] = {}
    if tree is None:
        return found
    for folder in holding(tree, "package.json"):
        data = read_json(tree, folder, "package.json").data
        for name in (name for kind in _TABLES for name in table(data, kind)):
            found.setdefault(name, folder)
    return found


def _never_installed(evidence: Evidence) -> Sequence[str]:
    """Return the folders that have a package.json but no installed packages at all."""
    root = evidence.root
    folders = holding(evidence.tree, "package.json")
    return [each for each in folders if root and not (root / each / "node_modules").exists()]


def _manager(evidence: Evidence, folder: str) -> str:
    for found in evidence.detected:
        if found.manager in _INSTALL and found.path == folder:
            return found.manager
    locks = (lock for lock in _LOCKS if evidence.tree and evidence.tree.has(folder, lock))
    return next((_LOCKS[lock] for lock in locks), "npm")
