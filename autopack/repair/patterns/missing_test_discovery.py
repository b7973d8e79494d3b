"""A test runner found no tests to run, so nothing was judged.

Not this: tests that could not be imported, and runners that found tests and ran them. A flag that
makes an empty run pass is never proposed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns.failure_pattern import Evidence, Match, Proposal
from autopack.toolchains.toolchain import (
    Command,
)
from autopack.toolchains.tree import Folder, Tree, inside

_NOTHING = re.compile(
    r"\bcollected 0 items(?![^\n]{0,40}\berror)"
    r"|\bcollected \d{1,7} items? / \d{1,7} deselected / 0 selected"
    r"|^=*[ ]?no tests ran in [\d.]{1,12}s"
    r"|^ERROR: file or directory not found: [^\n]{1,300}"
    r"|^Ran 0 tests in [\d.]{1,12}s"
    r"|^NO TESTS RAN\b"
    r"|\bNo tests? (?:files? )?found, exiting with code 1"
    r"|\bError: No test files found"
    r"|\bcannot find test files\b"
    r"|\bNo tests were executed!"
    r"|\bNo tests found for given includes:"
    r"|\bno packages to test\b"
    r"|^go: warning: \"[^\"\n]{1,200}\" matched no packages",
    re.MULTILINE,
)
_MISSING = re.compile(r"^ERROR: file or directory not found: (?P<path>[^\n]{1,300})", re.MULTILINE)
_LITERALS = (
    *("collected ", "no tests ran", "not found: ", "Ran 0 tests", "NO TESTS RAN", "No test"),
    *("cannot find test files", "no packages to test", "matched no packages"),
)
"""One of these is in everything that _NOTHING finds; looking for them is far cheaper."""
_RESULTS = re.compile(
    r"\b[1-9]\d{0,6} (?:passed|failed|errors?)\b|^Ran [1-9]|^(?:ok|FAIL)[ \t]+\S+[ \t]+[\d.]+s$"
    r"|\berrors? during collection\b",
    re.MULTILINE,
)
_PYTHON_TESTS = ("test_*.py", "*_test.py", "tests.py", "*_tests.py", "test[A-Z0-9]*.py")
_PYTEST_FINDS = _PYTHON_TESTS[:2]
_TEST_FOLDERS = ("tests", "test")


class MissingTestDiscovery:
    """No tests were found where the command looked."""

    pattern_id = "missing_test_discovery"
    priority = 3
    summary = "no tests were found: run the tests from where they are"

    def detect(self, evidence: Evidence) -> Match | None:
        if not any(literal in evidence.text for literal in _LITERALS):
            return None
        found = _NOTHING.search(evidence.text)
        if not found or _RESULTS.search(evidence.text):
            return None
        captured = {"said": found[0].strip(" =")}
        missing = _MISSING.search(evidence.text)
        if missing:
            captured["path"] = missing["path"].strip()
        return Match(self.pattern_id, self.priority, captured)

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        failed, tree = evidence.failed, evidence.tree
        if failed is None or tree is None:
            return self._advice("name the folder of the tests in the command")
        runner = _runner(failed.argv)
        folder = failed.path if _python_tests(tree, failed.path) else "."
        where = _python_tests(tree, folder)
        if runner is None:
            return self._advice("name the folder or the pattern of the tests in the command")
        if where is None:
            return self._advice("there is no file named like a test: the phase has to add one")
        rewrite = _pytest if runner == "pytest" else _unittest
        recheck = Check(folder, rewrite(failed.argv, tree.root / folder, *where))
        if recheck == failed:
            return self._advice("the command's own filter leaves no test: widen -k, -m or its ids")
        return Proposal(self.pattern_id, recheck=recheck)

    def _advice(self, text: str) -> Proposal:
        return Proposal(self.pattern_id, suggestions=(text,))


def _runner(argv: Command) -> str | None:
    names = [PurePosixPath(word.replace("\\", "/")).stem for word in argv[:5]]
    return next((name for name in names if name in ("pytest", "unittest")), None)


def _python_tests(tree: Tree, base: str) -> tuple[str, str] | None:
    """Return the folder below ``base`` that holds the tests, and the pattern of their names."""
    candidates = [
        (inside(folder.path, base) if folder.path != base else ".", pattern)
        for folder in tree.below(base)
        for pattern in _patterns_of(folder)
    ]
    if not candidates:
        return None
    folder, pattern = candidates[0]
    tops = {PurePosixPath(path).parts[:1] for path, found in candidates if found == pattern}
    return (folder if len(tops) == 1 else "."), pattern


def _patterns_of(folder: Folder) -> Iterator[str]:
    for pattern in _PYTHON_TESTS:
        if any(fnmatchcase(name, pattern) for name in folder.files):
            yield pattern
            return
    in_tests = any(part in _TEST_FOLDERS for part in folder.path.split("/"))
    if in_tests and any(fnmatchcase(name, "check_*.py") for name in folder.files):
        yield "check_*.py"


def _pytest(argv: Command, base: Path, folder: str, pattern: str) -> Command:
    """Return the command with its missing paths replaced by the folder where the tests are."""
    start = next(i for i, word in enumerate(argv) if PurePosixPath(word).stem == "pytest") + 1
    kept: list[str] = list(argv[:start])
    paths: list[str] = []
    value = False
    for word in argv[start:]:
        is_path = not value and not word.startswith("-")
        value = word in ("-k", "-m", "-o", "-p", "-c", "-n", "-W", "--rootdir", "--junitxml")
        (paths if is_path else kept).append(word)
    there = [path for path in paths if _holds_tests(base / path.partition("::")[0])]
    if pattern not in _PYTEST_FINDS:
        kept += ["-o", f"python_files={pattern}"]
    elif paths and there == paths:
        return argv  # it looked at existing files whose tests its own filter left out
    if folder != "." or pattern not in _PYTEST_FINDS or paths:
        kept.append(folder)
    return tuple(kept)


def _holds_tests(place: Path) -> bool:
    """Return whether there is anything at ``place`` that a test runner could look into."""
    if not place.is_dir():
        return place.exists()
    return any(True for name in _PYTHON_TESTS for _ in place.rglob(name))


def _unittest(argv: Command, base: Path, folder: str, pattern: str) -> Command:
    end = next(i for i, word in enumerate(argv) if word == "unittest") + 1
    flags = tuple(word for word in argv[end:] if word in ("-v", "-q", "-f", "-b"))
    # Only a package can be imported from the folder above it.
    top = ("-t", ".") if (base / folder / "__init__.py").exists() else ()
    return (*argv[:end], "discover", *flags, "-s", folder, *top, "-p", pattern)
