"""What a phase may change, and what it must deliver."""

import time

import pytest

from autopack.workspace import Change, check_scope, matches, missing_deliverables


@pytest.mark.parametrize(
    ("path", "pattern", "covered"),
    [
        ("src/a.py", "src/", True),
        ("src/deep/a.py", "src/", True),
        ("src", "src/", True),  # the folder replaced by a file or link
        ("src/a.py", "src", True),  # a folder named without the slash
        ("srcs/a.py", "src", False),
        ("srcs/a.py", "src/", False),
        ("a/src/a.py", "src/", False),  # anchored at the root
        ("src/a.py", "src/a.py", True),
        ("src/a.pyc", "src/a.py", False),
        ("src/a.py", "./src/a.py", True),
        ("src/a.py", ".", True),
        ("src/a.py", "./", True),
        ("src/a.py", "src/*.py", True),
        ("src/b/a.py", "src/*.py", False),  # * stays in its folder
        ("src/b/a.py", "src/*", True),  # the folder b matches, and all below it
        ("src/b/a.py", "src/**/*.py", True),
        ("src/a.py", "src/**/*.py", True),  # ** may be nothing
        ("a.py", "**/*.py", True),
        ("x/y/a.py", "**/*.py", True),
        ("x/y/a.py", "*.py", False),
        ("x/y/a.py", "x/**", True),
        ("packages/one/test/a", "packages/*/test/", True),
        ("packages/one/two/test/a", "packages/*/test/", False),
        ("a1.txt", "a?.txt", True),
        ("a/.txt", "a?.txt", False),
        ("a1.txt", "a[0-9].txt", True),
        ("ax.txt", "a[!0-9].txt", True),
        ("ax.txt", "a[^0-9].txt", True),
        ("a1.txt", "a[^0-9].txt", False),
        ("a/.txt", "a[!0-9].txt", False),
        ("a^.txt", "a[^x].txt", True),  # ^ is a plain character in a shell's class
        ("a[.txt", "a[.txt", True),  # an open bracket stands for itself
        ("a+b(c).txt", "a+b(c).txt", True),
        ("aab", "a+b", False),
        ("Src/a.py", "src/", False),
        ("line\nbreak/a", "line*/", True),
        # brackets are letters first: routes of web frameworks
        ("app/[slug]/page.tsx", "app/[slug]/", True),
        ("app/[slug]/page.tsx", "app/[slug]/*.tsx", True),
        ("app/(auth)/[[...sign-in]]/page.tsx", "app/(auth)/[[...sign-in]]/page.tsx", True),
        ("app/[...all]/x", "app/[...all]", True),
        ("app/[sign-in]/x", "app/[sign-in]/", True),
        ("app/[[...x]]/a.ts", "app/[[...x]]/*.ts", True),
        ("app/s/a.ts", "app/[[...x]]/*.ts", False),
        # what a shell's braces mean
        ("src/a.py", "src/{a,b}.py", True),
        ("src/c.py", "src/{a,b}.py", False),
        ("lib/b/x", "{src,lib}/{a,b}/", True),
        ("src/{a,b}.py", "src/{a,b}.py", True),
        ("src/${x}.py", "src/${x}.py", True),
        ("src/deep/a_b.py", "src/a**b.py", False),
        ("src/a/deep/b.py", "src/a**b.py", True),
        # one Unicode form, whichever was typed
        ("docs/caf\u00e9.md", "docs/cafe\u0301.md", True),
        ("docs/cafe\u0301.md", "docs/caf\u00e9.md", True),
        ("docs/cafe\u0301.md", "docs/*\u00e9.md", True),
        ("src/na\udcefve.txt", "src/", True),  # no UTF-8
        # what means nothing covers what is called so, and never raises
        ("a[z-a].py", "a[z-a].py", True),
        ("ab.py", "a[z-a].py", False),
    ],
)
def test_patterns(path, pattern, covered):
    assert matches(path, pattern) is covered


def test_a_pattern_takes_no_longer_than_its_length_times_the_paths():
    began = time.monotonic()
    assert not matches("a" * 250 + "/" + "b" * 250, "**/" * 20 + "*a" * 60 + "c")
    assert not matches("/".join("ab" * 100), "/".join(["**", "a*b*a"] * 40))
    assert time.monotonic() - began < 2


THERE = ["app/[slug]/page.tsx", "app/s/page.tsx", "tests/a.py"]
# patterns, the paths at the run's base, and what of the changes they cover
EXACT = [
    # it names a folder that was there: that folder alone
    (("app/[slug]/",), THERE, ["app/[slug]/page.tsx"]),
    (("app/[slug]/page.tsx",), THERE, ["app/[slug]/page.tsx"]),
    # nothing was called so: a class of characters as well
    (("app/[slug]/",), ["app/s/page.tsx"], ["app/[slug]/page.tsx", "app/s/page.tsx"]),
    (("tests/*.py",), THERE, ["tests/a.py"]),
]


@pytest.mark.parametrize(("patterns", "there", "covered"), EXACT)
def test_what_was_there_and_is_named_is_meant_alone(patterns, there, covered):
    changes = [Change(path, "M", "100644") for path in THERE]
    found = check_scope(changes, (), patterns, read_link=str, there=there)
    assert [one.path for one in found] == covered
    assert missing_deliverables(["app/s/page.tsx"], ["app/[slug]/page.tsx"], there=THERE)


def violations(*changes: Change, scope=(), read_only=(), links=None):
    found = check_scope(changes, scope, read_only, read_link=(links or {}).__getitem__)
    return {violation.path: violation.reason for violation in found}


def test_everything_is_in_an_empty_scope():
    assert violations(Change("a", "A", "100644"), Change("b/c", "D", "100644")) == {}


@pytest.mark.parametrize("status", ["A", "M", "D", "T"])
def test_any_change_outside_the_scope_is_a_violation(status):
    found = violations(Change("b.py", status, "100644"), scope=["src/", "a.py"])
    assert found == {"b.py": "is outside the scope (src/, a.py)"}


def test_read_only_beats_scope():
    found = violations(Change("src/t/x", "D", "100644"), scope=["src/"], read_only=["src/t/"])
    assert found == {"src/t/x": "is read-only (src/t/)"}


@pytest.mark.parametrize("path", [".git/config", "a/.git/x", "a/.GIT"])
def test_git_folders_are_no_content(path):
    assert "inside a .git folder" in violations(Change(path, "A", "100644"))[path]


@pytest.mark.parametrize("path", [".gitignore", ".github/x.yml", "a/.gitmodules"])
def test_names_that_only_begin_like_git_are_content(path):
    assert violations(Change(path, "A", "100644")) == {}


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ("A", False),
        ("T", False),  # a file became a repository
        ("M", True),  # a submodule moved to another of its commits
        ("D", True),
    ],
)
def test_repositories_inside(status, allowed):
    assert (violations(Change("lib", status, "160000")) == {}) is allowed


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("code.py", True),
        ("./code.py", True),
        ("../readme.txt", True),
        ("../../readme.txt", True),
        ("../../../readme.txt", False),  # a/b/link is two folders deep
        ("..", True),
        ("/etc/passwd", False),
        ("C:/Windows", False),
        ("\\\\server\\share", False),
        ("", False),
        ("c/../../../x", False),  # c may be a link itself
        ("a..b/..c", True),
    ],
)
def test_links_must_stay_inside(target, allowed):
    found = violations(Change("a/b/link", "M", "120000"), links={"a/b/link": target})
    assert (found == {}) is allowed


def test_a_deleted_link_is_not_read():
    assert violations(Change("link", "D", "120000")) == {}


def test_deliverables_may_be_files_folders_and_globs():
    paths = ["src/a.py", "docs/guide/index.md"]
    wanted = ["src/a.py", "docs/", "docs", "**/*.md", "src/b.py", "tests/", "*.md"]
    assert missing_deliverables(paths, wanted) == ["src/b.py", "tests/", "*.md"]
