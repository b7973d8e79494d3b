"""Which changes touch tests, or the settings that decide which tests run and what counts."""

from __future__ import annotations

import configparser
import fnmatch
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from autopack.model.path_patterns import matches
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
_NAMES = (
    "test_*.py", "*_test.py", "tests.py", "conftest.py", "*_test.go", "*.test.[cm]js",
    "*.test.[cm]ts", "*.test.js", "*.test.ts", "*.test.jsx", "*.test.tsx", "*.test.mjs",
    "*.spec.js", "*.spec.ts", "*.spec.jsx", "*.spec.tsx", "*.spec.mjs", "*.spec.cjs",
    "*.cy.js", "*.cy.ts", "*.cy.jsx", "*.cy.tsx", "*Test.java", "*Tests.java", "*IT.java",
    "*Test.kt", "*Tests.kt", "*Spec.kt", "*Spec.scala", "*Test.scala", "*Test.php", "*_spec.rb",
    "*_test.rb", "test_*.rb", "*Test.cs", "*Tests.cs", "*_test.exs", "*_test.dart", "*_test.cc",
    "*_test.cpp", "*_test.c", "*_test.rs", "*Tests.swift", "*Test.swift", "*.snap", "*.t",
    "*.feature", "*.bats",
)  # fmt: skip
_SETTINGS = (
    "pytest.ini", ".pytest.ini", "tox.ini", "noxfile.py", "conftest.py", "sitecustomize.py",
    "usercustomize.py", ".coveragerc", "jest.config.*", "jest.setup.*", "jest-*.config.*",
    "vitest.config.*", "vitest.workspace.*", "vitest.setup.*", "playwright.config.*",
    "cypress.config.*", "cypress.json", "karma.conf.*", ".mocharc*", "ava.config.*", ".nycrc*",
    ".c8rc*", "wdio.conf.*", "phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml", "pest.php",
    "Pest.php", "behat.yml*", "codeception*.yml", ".rspec", ".rspec-local", "spec_helper.rb",
    "rails_helper.rb", "test_helper.rb", "test_helper.exs", "nextest.toml", "bunfig.toml",
    "testng.xml", "junit-platform.properties", "*.runsettings", "xunit.runner.json",
    "CTestCustom.cmake", "CTestConfig.cmake",
)  # fmt: skip


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
        sections = _SECTIONS.get(_name(change.path))
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


def _is_about_tests(pattern: str) -> bool:
    name = pattern.rstrip("/")
    inside = _kind(f"{name}/x") or _kind(f"{name}/x.ts")
    return inside is not None or _kind(name) is not None or _name(name) in _SECTIONS


def _kind(path: str) -> Kind | None:
    *folders, name = path.split("/")
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in _SETTINGS):
        return "settings"
    around = {folder.lower() for folder in folders}
    if around & _FOLDERS or (around & _SPEC_FOLDERS and name.endswith(_SPEC_FILES)):
        return "test"
    return "test" if any(fnmatch.fnmatchcase(name, pattern) for pattern in _NAMES) else None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


_TOML_TABLES = (
    ("tool", "pytest"), ("tool", "pytest-env"), ("tool", "coverage"), ("tool", "tox"),
    ("tool", "nox"), ("tool", "hatch", "envs"), ("tool", "pdm", "scripts"), ("tool", "poe"),
    ("tool", "pixi", "tasks"), ("tool", "taskipy"), ("project", "entry-points", "pytest11"),
)  # fmt: skip
_CARGO_TABLES = (("test",), ("bench",), ("lib", "test"), ("lib", "doctest"), ("profile", "test"))
_PACKAGE_KEYS = (
    "jest", "vitest", "mocha", "ava", "nyc", "c8", "tap", "cypress", "playwright", "qunit",
    "jasmine", "karma",
)  # fmt: skip
_TESTING_SCRIPT = re.compile(
    r"test|spec|e2e|coverage|jest|vitest|mocha|check|verify", re.IGNORECASE
)
_INI_SECTION = re.compile(
    r"tool:pytest|pytest|testenv.*|tox|coverage:.*|aliases|nosetests|unittest"
)


def _toml(tables: Iterable[tuple[str, ...]]) -> Callable[[bytes | None], Any]:
    wanted = tuple(tables)

    def sections(content: bytes | None) -> Any:
        if content is None:
            return {}
        try:
            document = tomllib.loads(content.decode("utf-8"))
        except (ValueError, RecursionError):
            return content
        return {path: found for path in wanted if (found := _at(document, path)) is not None}

    return sections


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(document, dict):
            return None
        document = cast("dict[str, Any]", document).get(key)
    return document


def _package(content: bytes | None) -> Any:
    if content is None:
        return {}
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if not isinstance(document, dict):
        return content
    package = cast("dict[str, Any]", document)
    scripts: Any = package.get("scripts")
    named = cast("dict[str, Any]", scripts) if isinstance(scripts, dict) else {}
    return (
        {key: package[key] for key in _PACKAGE_KEYS if key in package},
        {name: command for name, command in named.items() if _TESTING_SCRIPT.search(name)},
    )


def _ini(content: bytes | None) -> Any:
    if content is None:
        return {}
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(content.decode("utf-8"))
    except (configparser.Error, ValueError):
        return content
    return {
        section: parser.items(section)
        for section in parser.sections()
        if _INI_SECTION.fullmatch(section)
    }


_SECTIONS: dict[str, Callable[[bytes | None], Any]] = {
    "pyproject.toml": _toml(_TOML_TABLES),
    "Cargo.toml": _toml(_CARGO_TABLES),
    "package.json": _package,
    "setup.cfg": _ini,
}
