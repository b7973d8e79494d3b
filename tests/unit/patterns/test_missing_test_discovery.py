"""Which runs found no tests, and how the command looks that finds them."""

import pytest

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns import Evidence
from autopack.repair.patterns.missing_test_discovery import MissingTestDiscovery

PATTERN = MissingTestDiscovery()

SAID = [
    # pytest: nothing there, everything filtered out, a wrong path
    "collected 0 items\n\n============ no tests ran in 0.01s ============",
    "collected 5 items / 5 deselected / 0 selected",
    "ERROR: file or directory not found: test/unit",
    "no tests ran in 0.00s",
    # unittest before and since Python 3.12
    "Ran 0 tests in 0.000s\n\nOK",
    "Ran 0 tests in 0.000s\n\nNO TESTS RAN",
    # the Node runners
    "No tests found, exiting with code 1",
    "No test files found, exiting with code 1",
    'Error: No test files found: "test"',
    # Go, Maven, Gradle
    'go: warning: "./..." matched no packages\nno packages to test',
    "No tests were executed!  (Set -DfailIfNoTests=false to ignore this error.)",
    "No tests found for given includes: [a.B](--tests filter)",
]


@pytest.mark.parametrize("text", SAID, ids=lambda text: text[:50])
def test_empty_run_is_recognised(text: str) -> None:
    assert PATTERN.detect(Evidence(text)) is not None


def recheck(argv: tuple[str, ...], root, path: str = ".") -> Check | None:
    evidence = Evidence("collected 0 items", root=root, failed=Check(path, argv))
    match = PATTERN.detect(evidence)
    assert match is not None
    return PATTERN.propose(evidence, match).recheck


TREES = [
    # a wrong path is replaced by where the tests are
    ({"tests/test_a.py": ""}, ("pytest", "-q", "test"), ("pytest", "-q", "tests")),
    # a configured path that is wrong is overruled
    ({"checks/test_a.py": ""}, ("python", "-m", "pytest"), ("python", "-m", "pytest", "checks")),
    # tests in several folders: from the root
    ({"a/test_a.py": "", "b/test_b.py": ""}, ("pytest", "t"), ("pytest", ".")),
    # names that pytest does not look for
    (
        {"tests/check_a.py": ""},
        ("pytest",),
        ("pytest", "-o", "python_files=check_*.py", "tests"),
    ),
    # the value of an option is no path
    ({"tests/test_a.py": ""}, ("pytest", "-k", "add", "x"), ("pytest", "-k", "add", "tests")),
    # unittest, of a package and of a plain folder
    (
        {"tests/__init__.py": "", "tests/test_a.py": ""},
        ("python", "-m", "unittest", "-v"),
        ("python", "-m", "unittest", "discover", "-v", "-s", "tests", "-t", ".", "-p", "test_*.py"),
    ),
    (
        {"tests/test_a.py": ""},
        ("python", "-m", "unittest"),
        ("python", "-m", "unittest", "discover", "-s", "tests", "-p", "test_*.py"),
    ),
]


@pytest.mark.parametrize(("files", "argv", "better"), TREES)
def test_command_is_repeated_where_the_tests_are(files, argv, better, worktree) -> None:
    assert recheck(argv, worktree(files)) == Check(".", better)


def test_tests_of_the_root_are_found_from_a_subfolder(worktree) -> None:
    root = worktree({"tests/test_a.py": "", "docs/a.md": ""})
    assert recheck(("pytest",), root, path="docs") == Check(".", ("pytest", "tests"))


def test_filter_that_leaves_nothing_is_only_a_suggestion(worktree) -> None:
    root = worktree({"tests/test_a.py": ""})
    assert recheck(("pytest", "-k", "nothing", "tests"), root) is None


def test_no_test_file_is_only_a_suggestion(worktree) -> None:
    assert recheck(("pytest",), worktree({"a.py": ""})) is None


def test_other_runners_get_a_suggestion(worktree) -> None:
    assert recheck(("npx", "jest"), worktree({"a.test.js": ""})) is None
