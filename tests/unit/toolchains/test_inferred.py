"""What detected projects are set up and checked with, and which files that depends on."""

import pytest
from support.manifests import CRATE, PACKAGE

from autopack.toolchains import Detected
from autopack.toolchains.detect import detect, inferred_checks, inferred_setup


def test_every_tool_of_a_polyglot_repository_has_its_commands(lay) -> None:
    root = lay({"go.mod": "module a\n", "web/package.json": PACKAGE})

    assert [(c.path, c.argv) for c in inferred_setup(detect(root))] == [
        (".", ("go", "mod", "download")),
        ("web", ("npm", "install", "--no-package-lock")),
    ]
    assert [(c.path, c.argv) for c in inferred_checks(detect(root))] == [
        (".", ("go", "test", "./...")),
        ("web", ("npm", "test")),
    ]


def test_what_compiles_is_judged_by_building_when_it_has_no_tests() -> None:
    built = (("npm", "run", "build"),)
    site = Detected("node", "npm", ".", 0.9, (), build=built)
    package = Detected("python", "pip", ".", 0.9, (), build=(("python", "-m", "build"),))

    assert [check.argv for check in inferred_checks([site, package])] == list(built)


def test_doubtful_projects_give_no_commands() -> None:
    doubtful = Detected("go", "go", ".", 0.3, (), (("go", "get"),), (), (("go", "test"),))

    assert inferred_setup([doubtful]) == ()
    assert inferred_checks([doubtful]) == ()


# files, and whose change makes what was installed stale
MANIFESTS = [
    (
        {"requirements.txt": "-r lists/all.txt\n", "lists/all.txt": "-c ../limits.txt\n"},
        {"requirements.txt", "lists/all.txt"},
    ),
    ({"package.json": PACKAGE, "yarn.lock": ""}, {"package.json", "yarn.lock"}),
    (
        {"Cargo.toml": "[workspace]\n", "a/Cargo.toml": CRATE, "a/src/lib.rs": ""},
        {"Cargo.toml", "a/Cargo.toml"},
    ),
    ({"api/go.mod": "module a\n", "api/go.sum": ""}, {"api/go.mod", "api/go.sum"}),
]


@pytest.mark.parametrize(("files", "manifests"), MANIFESTS)
def test_manifests_are_those_of_the_project_and_its_members(
    lay, files: dict[str, str], manifests: set[str]
) -> None:
    assert set(detect(lay(files))[0].manifests) == manifests
