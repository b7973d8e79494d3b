"""Which changes touch tests, or the settings that decide which tests run and what counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from autopack.model.path_patterns import matches
from autopack.toolchains.test_sections import blocks
from autopack.toolchains.toolchain import Sections
from autopack.toolchains.toolchain_registry import is_named, toolchains
from autopack.workspace.changes import Change

Kind = Literal["test", "settings"]

PROTECTED = (
    "is a test or holds settings of tests, which the plan protects; a phase that is to change it "
    "names it under deliverables or scope.paths"
)
"""Why a change is refused where tests are protected."""

_FOLDERS = {
    "test", "tests", "__tests__", "__test__", "e2e", "integration-tests", "__snapshots__",
    "__mocks__", "cypress", "testdata",
}  # fmt: skip
# Specifications have folders of these names too, but not in these languages.
_SPEC_FOLDERS = {"spec", "specs"}
_SPEC_FILES = (".rb", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".coffee", ".php", ".lua", ".scala")
# Of what has no toolchain, and of several.
_NAMES = (
    "*_test.dart", "*Tests.swift", "*Test.swift", "*.snap", "*.feature", "*.bats", "*.Tests.ps1",
)  # fmt: skip
# Programs that run tests, by whatever language they are written in, and what is set for them.
_SETTINGS = (
    "run[-_]test", "run[-_]tests", "run[-_]test.*", "run[-_]tests.*", "runtests", "runtests.*",
    "test.sh", ".env.test", ".env.testing",
)  # fmt: skip
_RUNS_TESTS = blocks(
    r"(?i:test|spec\b|\bcheck|verify|coverage)|^\.IGNORE\b|\b(?:SHELL|\.?SHELLFLAGS|MAKEFLAGS)\s*[:?+]?="
)
_BUILD_FILES = dict.fromkeys(
    ("Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.yml"), _RUNS_TESTS
)
# unit_tests, functional-tests, Shop.Tests, integrationTest, test_data; not latest, contest.
_FOLDER = re.compile(
    r"(?i:\w+[-_.]tests|(?:unit|integration|functional|acceptance|system|smoke|e2e)[-_]?tests?"
    r"|tests?[-_]?(?:data|fixtures?|resources?|cases|suites?|helpers?|utils|support))"
    r"|[a-z]+Tests?"
)


# At the root, Python imports these in place of what runs the tests.
_SHADOWS = {"pytest.py", "pytest", "_pytest", "unittest.py", "unittest"}


@dataclass(frozen=True)
class ChangedTest:
    """A changed path that is a test or holds settings of one; ``status`` as `Change` has it."""

    path: str
    status: str
    kind: Kind

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def changed_tests(
    changes: Iterable[Change],
    *,
    before: Callable[[str], bytes | None],
    after: Callable[[str], bytes | None],
) -> list[ChangedTest]:
    """Return the changes of tests and of their settings, in the order of ``changes``.

    ``before`` and ``after`` give a file's content by its path: of manifests that hold more than
    tests (pyproject.toml, package.json, setup.cfg …) only their sections on tests count.
    """
    found: list[ChangedTest] = []
    for change in changes:
        kind = _kind(change.path)
        sections = _sections().get(_name(change.path))
        if sections is not None and sections(before(change.path)) != sections(after(change.path)):
            kind = "settings"
        if kind is not None:
            found.append(ChangedTest(change.path, change.status, kind))
    return found


def unasked(found: Iterable[ChangedTest], asked: Iterable[str]) -> list[ChangedTest]:
    """Return those that no pattern of ``asked`` (deliverables, scope) names as a test.

    A pattern does so when it is about tests itself: ``tests/`` does, ``src/`` or ``**`` do not,
    whatever tests lie there.
    """
    about_tests = [one for one in asked if _is_about_tests(one)]
    return [one for one in found if not any(matches(one.path, p) for p in about_tests)]


def is_test(path: str) -> bool:
    """Return whether a file of this path is a test, or lies with them."""
    return _kind(path) == "test"


def _is_about_tests(pattern: str) -> bool:
    name = pattern.rstrip("/")
    inside = _kind(f"{name}/x") or _kind(f"{name}/x.ts")
    return inside is not None or _kind(name) is not None or _name(name) in _sections()


def _kind(path: str) -> Kind | None:
    *folders, name = path.split("/")
    if is_named(name, _settings()) or path.split("/")[0] in _SHADOWS:
        return "settings"
    around = {folder.lower() for folder in folders}
    if any(map(_FOLDER.fullmatch, folders)):
        return "test"
    if around & _FOLDERS or (around & _SPEC_FOLDERS and name.endswith(_SPEC_FILES)):
        return "test"
    return "test" if is_named(name, _names()) else None


@cache
def _names() -> tuple[str, ...]:
    return (*_NAMES, *(name for one in toolchains() for name in one.test_files))


@cache
def _settings() -> tuple[str, ...]:
    return (*_SETTINGS, *(name for one in toolchains() for name in one.test_settings))


@cache
def _sections() -> dict[str, Sections]:
    """Return how to read what is about tests, by the name of the manifest."""
    named = (each for one in toolchains() for each in one.test_sections.items())
    return {**_BUILD_FILES, **dict(named)}


def _name(path: str) -> str:
    return path.rpartition("/")[2]
