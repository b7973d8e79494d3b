"""A Node package, or a tool that a script calls, is not installed.

Not a missing dependency: a relative or absolute path, an alias of the project, a folder of the
project, a built-in module, and what other languages say in nearly the same words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from autopack.recovery.hardening.files import holding
from autopack.recovery.hardening.protocol import Evidence, Match, Proposal
from autopack.validation.toolchains.base import Check, Command

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
_LOCKS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn"}


class NodeMissingDep:
    """A package that Node, a bundler or TypeScript cannot find, or a script's tool."""

    pattern_id = "node_missing_dep"
    priority = 1
    summary = "a Node dependency is not installed: install it from package.json"

    def detect(self, evidence: Evidence) -> Match | None:
        packages = _missing(evidence)
        if packages:
            declared_in = _declaring(evidence.root, packages[0])
            captured = {"package": packages[0]}
            if declared_in is not None:
                captured["declared_in"] = str(PurePosixPath(declared_in, "package.json"))
            return Match(self.pattern_id, self.priority, captured)
        says_only_the_code = _CODE.search(evidence.text) and not _CANNOT_FIND.search(evidence.text)
        return Match(self.pattern_id, self.priority) if says_only_the_code else None

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        packages = _missing(evidence)
        if not packages:
            return Proposal(self.pattern_id, run=_installs(evidence, _never_installed(evidence)))
        folders = [_declaring(evidence.root, name) for name in packages]
        declaring = sorted({folder for folder in folders if folder is not None})
        others = [name for name, folder in zip(packages, folders, strict=True) if folder is None]
        return Proposal(
            self.pattern_id,
            run=_installs(evidence, declaring),
            suggestions=tuple(f"add {name!r} to package.json" for name in others),
        )


def _installs(evidence: Evidence, folders: Sequence[str]) -> tuple[Check, ...]:
    return tuple(Check(folder, _INSTALL[_manager(evidence, folder)]) for folder in folders)


def _never_installed(evidence: Evidence) -> list[str]:
    """The folders that have a package.json but no installed packages at all."""
    if evidence.root is None:
        return []
    found = holding(evidence.root, "package.json")
    return [folder for folder in found if not (evidence.root / folder / "node_modules").exists()]


def _missing(evidence: Evidence) -> list[str]:
    """The packages that are not installed, each once, in the order of the output."""
    found = dict.fromkeys((*_packages(evidence), *_tools(evidence)))
    return list(found)


def _packages(evidence: Evidence) -> Iterator[str]:
    for found in _CANNOT_FIND.finditer(evidence.text):
        specifier = found["name"]
        parts = specifier.split("/")
        scoped = specifier.startswith("@") and len(parts) > 1
        name = "/".join(parts[:2]) if scoped else parts[0]
        if _NAME.fullmatch(name) and not _is_local(evidence.root, specifier, name):
            yield name


def _tools(evidence: Evidence) -> Iterator[str]:
    """Tools a script calls, only where package.json declares them: a shell finds many others."""
    for found in _TOOL.finditer(evidence.text):
        tool = found["sh"] or found["cmd"]
        name = _TOOLS_OF.get(tool, tool)
        if evidence.root and _declaring(evidence.root, name) is not None:
            yield name


def _is_local(root: Path | None, specifier: str, name: str) -> bool:
    if specifier.startswith(("node:", "~")) or name in _BUILT_IN_MODULES:
        return True
    if root is None or _declaring(root, name) is not None:
        return False
    # A baseUrl or a path alias makes a folder or file of the project importable by its bare name.
    bases = ("", "src", "app", "lib")
    endings = ("", ".js", ".ts", ".tsx", ".jsx", ".mjs", ".cjs", ".json")
    return any((root / base / (name + ending)).exists() for base in bases for ending in endings)


def _declaring(root: Path | None, package: str) -> str | None:
    """The folder whose package.json declares ``package``."""
    if root is None:
        return None
    for folder in holding(root, "package.json"):
        if package in _declared(root / folder / "package.json"):
            return folder
    return None


def _declared(path: Path) -> frozenset[str]:
    try:
        data: object = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return frozenset()  # a broken manifest declares nothing; npm says so itself
    if not isinstance(data, dict):
        return frozenset()
    tables = [cast("dict[str, object]", data).get(key) for key in _TABLES]
    declared = [cast("dict[str, object]", table) for table in tables if isinstance(table, dict)]
    return frozenset(name for table in declared for name in table)


def _manager(evidence: Evidence, folder: str) -> str:
    for found in evidence.detected:
        if found.manager in _INSTALL and found.path == folder:
            return found.manager
    if evidence.root:
        for lock, manager in _LOCKS.items():
            if (evidence.root / folder / lock).is_file():
                return manager
    return "npm"
