"""A Python import fails because its distribution is not installed, or not in the right version.

Not a missing dependency: a module of the project or a typo of one, a relative or circular import,
a submodule of a package that is there, and whatever belongs to the standard library.
"""

from __future__ import annotations

import difflib
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns.failure_pattern import Evidence, Match, Proposal
from autopack.repair.patterns.python_manifests import Declared, declared
from autopack.repair.patterns.python_names import NAMESPACES, certain_distribution, normalised
from autopack.toolchains.toolchain import (
    Command,
)
from autopack.toolchains.tree import Tree

_LINE = r"^(?:E[ ]{1,12}|(?:FAILED|ERROR) [^\n]{1,300}? - |[ \t]{0,8})"
_NO_MODULE = re.compile(
    _LINE + r"(?:ModuleNotFoundError|ImportError): No module named "
    r"(?P<q>['\"]?)(?P<module>[A-Za-z_][\w.]{0,200})(?P=q)(?P<rest>[^\n]{0,80})$"
    r"|^(?:[A-Za-z]:)?[^\s:]{0,300}python[\d.]{0,5}(?:\.exe)?: No module named "
    r"(?P<run>[A-Za-z_][\w.]{0,200})[ \t]{0,8}$",
    re.MULTILINE,
)
_NO_NAME = re.compile(
    _LINE + r"ImportError: cannot import name '[^'\n]{1,200}' from "
    r"'(?P<module>[A-Za-z_][\w.]{0,200})'(?P<rest>[^\n]{0,400})$",
    re.MULTILINE,
)
_OPTIONAL = re.compile(
    _LINE
    + r"ImportError: (?:[^\n]{0,80}: )?Missing optional dependency '(?P<module>[\w.-]{1,200})'",
    re.MULTILINE,
)
_MOST_MODULES = 20
"""More are not looked at: each of them is compared with every module of the project."""

_PLACE = re.compile(r"\((?P<path>[^()\n]{1,380})\)")
_INSTALLED = ("site-packages", "dist-packages")
_REMOVED_FROM_PYTHON = frozenset({"distutils", "imp", "asyncore", "asynchat", "smtpd"})
# An environment without pip is made so, by uv for one; pip could not install it either.
_STANDARD = sys.stdlib_module_names | _REMOVED_FROM_PYTHON | {"pip"}


@dataclass(frozen=True)
class _Missing:
    """A module that is not there, what provides it (None: unknown) and who declares that."""

    module: str
    distribution: str | None
    declared: Declared | None


class PythonMissingDep:
    """ModuleNotFoundError or ImportError of a distribution that is not installed."""

    pattern_id = "python_missing_dep"
    priority = 1
    summary = "a Python dependency is not installed: install it from the project's manifest"

    def detect(self, evidence: Evidence) -> Match | None:
        missing = _missing(evidence)
        if not missing:
            return None
        first = missing[0]
        captured = {"module": first.module}
        if first.distribution:
            captured["distribution"] = first.distribution
        if first.declared:
            captured["declared_in"] = first.declared.file
        return Match(self.pattern_id, self.priority, captured)

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        missing = _missing(evidence)
        listed = [need.declared for need in missing if need.declared]
        certain = [need.distribution for need in missing if need.distribution and not need.declared]
        unknown = [need.module for need in missing if not need.distribution]
        files = sorted({entry.file for entry in listed if not entry.file.endswith(_PROJECT_FILES)})
        single = [entry.requirement for entry in listed if entry.file.endswith(_PROJECT_FILES)]
        installer = _installer(evidence)
        run = [_from_file(installer, file) for file in files]
        if single or certain:
            run.append(Check(".", (*installer, *single, *certain)))
        return Proposal(
            self.pattern_id,
            run=tuple(run),
            unlisted=tuple(certain),
            suggestions=tuple(
                f"declare the distribution that provides {module!r} in the project's manifest"
                for module in unknown
            ),
        )


_PROJECT_FILES = ("pyproject.toml", "setup.cfg")


def _from_file(installer: Command, file: str) -> Check:
    """Install a requirement file in its project's folder: its paths are relative to there."""
    folder = posixpath.dirname(file)
    if posixpath.basename(folder) == "requirements":
        folder = posixpath.dirname(folder)
    return Check(folder or ".", (*installer, "-r", posixpath.relpath(file, folder or ".")))


def _installer(evidence: Evidence) -> Command:
    managers = [found.manager for found in evidence.detected if found.name == "python"]
    if managers[:1] == ["uv"]:  # an environment made by uv has no pip in it
        return ("uv", "pip", "install")
    return ("python", "-m", "pip", "install")


def _missing(evidence: Evidence) -> list[_Missing]:
    """Return the missing dependencies that the output tells of, declared ones first, each once."""
    modules = list(islice(dict.fromkeys(_modules(evidence)), _MOST_MODULES))
    if not modules:
        return []
    tree = evidence.tree
    known = declared(tree) if tree else {}
    local = _local_modules(tree) if tree else frozenset[str]()
    found: dict[str, _Missing] = {}
    for module in modules:
        need = _need(module, known, local)
        if need:
            found.setdefault(need.distribution or need.module, need)
    return sorted(found.values(), key=lambda need: need.declared is None)


def _need(module: str, known: dict[str, Declared], local: frozenset[str]) -> _Missing | None:
    top, _, below = module.partition(".")
    if top in _STANDARD:
        return None
    distribution = certain_distribution(module)
    for name in (distribution, module, top):
        entry = known.get(normalised(name)) if name else None
        if entry and (not below or top in NAMESPACES or name == distribution):
            return _Missing(module, entry.distribution, entry)
    if below and top not in NAMESPACES:
        return None  # Python names the first part that is missing: the package itself is there
    if top in local:
        return None
    if distribution is None and _is_nearly(top, local):
        return None
    return _Missing(module, distribution, None)


def _is_nearly(name: str, local: frozenset[str]) -> bool:
    """Return whether ``name`` looks like a typo of one of the project's own modules."""
    lower = {each.lower() for each in local}
    return bool(difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.8))


def _modules(evidence: Evidence) -> Iterator[str]:
    text = evidence.text
    if "No module named" in text:
        for found in _NO_MODULE.finditer(text):
            if not (found["rest"] or "").startswith(";"):  # "; 'x' is not a package"
                yield found["module"] or found["run"]
    if "cannot import name" in text:
        for found in _NO_NAME.finditer(text):
            if _may_be_installed(found["rest"]):
                yield found["module"].partition(".")[0]
    if "Missing optional dependency" in text:
        yield from (found["module"] for found in _OPTIONAL.finditer(text))


def _may_be_installed(rest: str) -> bool:
    """Return whether the module that lacks a name is a distribution's, as far as the
    message says.
    """
    if "circular import" in rest:
        return False
    place = _PLACE.search(rest)
    if place is None:
        return True
    path = place["path"].replace("\\", "/")
    return any(f"/{folder}/" in path for folder in _INSTALLED)


def _local_modules(tree: Tree) -> frozenset[str]:
    """Top-level names that the project itself provides, from any folder that could be on a path."""
    names: set[str] = set()
    for path, folder in tree.folders.items():
        modules = {name[:-3] for name in folder.files if name.endswith(".py")}
        names |= modules - {"__init__", "setup", "conftest"}
        if modules:
            names |= set(path.split("/"))
    return frozenset(names)
