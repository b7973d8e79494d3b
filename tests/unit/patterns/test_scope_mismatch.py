"""Which changed files lie outside a phase's scope, and that exactly those are reverted."""

import pytest

from autopack.repair.patterns import Evidence
from autopack.repair.patterns.scope_mismatch import ScopeMismatch

PATTERN = ScopeMismatch()

CHANGES = [
    # a folder, a file and a glob of the scope
    (("src/a.py", "docs/b.md"), ("src/",), (), ("docs/b.md",)),
    (("src/a.py", "src/b.py"), ("src/a.py",), (), ("src/b.py",)),
    (("src/a.py", "setup.py"), ("src/**/*.py", "src/*.py"), (), ("setup.py",)),
    # a name that only begins alike
    (("src2/a.py",), ("src",), (), ("src2/a.py",)),
    # read-only files, also without any scope
    (("src/a.py", "tests/t.py"), ("src/", "tests/"), ("tests/",), ("tests/t.py",)),
    (("tests/t.py",), (), ("tests/",), ("tests/t.py",)),
]


@pytest.mark.parametrize(("changed", "scope", "read_only", "strays"), CHANGES)
def test_files_outside_are_reverted(changed, scope, read_only, strays) -> None:
    evidence = Evidence("", changed=changed, scope=scope, read_only=read_only)
    match = PATTERN.detect(evidence)
    assert match is not None
    assert PATTERN.propose(evidence, match).revert == strays


def test_changes_inside_the_scope_are_no_mismatch_whatever_a_log_says() -> None:
    text = "Error: File is outside the governed scope"
    assert PATTERN.detect(Evidence(text, changed=("src/a.py",), scope=("src/",))) is None


def test_no_scope_means_the_whole_tree() -> None:
    assert PATTERN.detect(Evidence("", changed=("a", "b"))) is None


@pytest.mark.parametrize(
    "text",
    [
        "Error: File is outside the governed scope",
        "RuntimeError: Scope validation failed: loaded files outside scope.paths",
        "[Isolation] Patch rejected - protected path violations: Outside scope: /test.py",
    ],
)
def test_message_alone_is_a_match_without_an_action(text: str) -> None:
    evidence = Evidence(text)
    match = PATTERN.detect(evidence)
    assert match is not None
    assert not PATTERN.propose(evidence, match).acts
