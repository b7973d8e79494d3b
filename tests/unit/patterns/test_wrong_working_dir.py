"""Which complaints mean that a command ran in the wrong folder, and where it should run."""

import pytest

from autopack.model.commands import (
    Check,
)
from autopack.repair.patterns import Evidence
from autopack.repair.patterns.wrong_working_dir import WrongWorkingDir

PATTERN = WrongWorkingDir()

SAID = [
    # pip, an older and a newer wording
    (
        "ERROR: Could not open requirements file: [Errno 2] No such file or directory: "
        "'requirements-dev.txt'",
        "requirements-dev.txt",
    ),
    (
        "ERROR: Directory '.' is not installable. Neither 'setup.py' nor 'pyproject.toml' found.",
        None,
    ),
    (
        "ERROR: file:///w does not appear to be a Python project: neither 'setup.py' nor "
        "'pyproject.toml' found.",
        None,
    ),
    ("Poetry could not find a pyproject.toml file in /w or its parents", "pyproject.toml"),
    ("error: No `pyproject.toml` found in current directory or any parent", "pyproject.toml"),
    ("python: can't open file '/w/setup.py': [Errno 2] No such file or directory", "setup.py"),
    # npm, yarn, pnpm
    ("npm error enoent ENOENT: no such file or directory, open '/w/package.json'", "package.json"),
    (r"npm ERR! ENOENT: no such file or directory, open 'C:\w\package.json'", "package.json"),
    ('error Couldn\'t find a package.json file in "/w"', "package.json"),
    ("ERR_PNPM_NO_IMPORTER_MANIFEST_FOUND  No package.json was found in /w", "package.json"),
    # the others
    ("error: could not find `Cargo.toml` in `/w` or any parent directory", "Cargo.toml"),
    ("go: go.mod file not found in current directory or any parent directory", "go.mod"),
    (
        "there is no goal: it requires a project to execute but there is no POM in this directory",
        "pom.xml",
    ),
    ("Directory '/w' does not contain a Gradle build.", "build.gradle"),
]


@pytest.mark.parametrize(("text", "manifest"), SAID, ids=lambda value: str(value)[:60])
def test_manifest_is_named(text: str, manifest: str | None) -> None:
    match = PATTERN.detect(Evidence(text))
    assert match is not None
    assert match.captured["manifest"] == (manifest or "pyproject.toml")


def propose(text: str, root, path: str = "."):
    evidence = Evidence(text, root=root, failed=Check(path, ("npm", "test")))
    match = PATTERN.detect(evidence)
    assert match is not None
    return PATTERN.propose(evidence, match)


NPM = "npm error enoent ENOENT: no such file or directory, open 'package.json'"


def test_command_is_repeated_where_the_manifest_is(worktree) -> None:
    root = worktree({"web/package.json": "{}", "web/node_modules/a/package.json": "{}"})
    assert propose(NPM, root).recheck == Check("web", ("npm", "test"))


def test_manifest_nearest_to_the_root_wins(worktree) -> None:
    root = worktree({"web/package.json": "{}", "web/packages/a/package.json": "{}"})
    assert propose(NPM, root).recheck == Check("web", ("npm", "test"))


def test_no_folder_is_guessed_between_equals(worktree) -> None:
    proposal = propose(NPM, worktree({"web/package.json": "{}", "api/package.json": "{}"}))
    assert not proposal.acts
    assert proposal.suggestions


def test_command_that_ran_in_a_subfolder_may_belong_to_the_root(worktree) -> None:
    root = worktree({"package.json": "{}", "docs/a.md": ""})
    assert propose(NPM, root, path="docs").recheck == Check(".", ("npm", "test"))
