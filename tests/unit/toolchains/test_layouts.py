"""Small layouts as repositories have them: what a run would install and run, and what it leaves."""

import pytest
from support.manifests import CRATE, LOCK, PACKAGE, PROJECT, TEST

from autopack.toolchains.detect import (
    USED_FROM,
    detect,
    inferred_checks,
    unsupported_language,
)

SETUP = "from setuptools import setup\nsetup(name='shop')\n"
NO_SETUP = "import sys\nprint('configure the board')\n"
PNPM = "lockfileVersion: '9.0'\n"
PHP = {f"app/Http/{n}.php": "<?php\n" + "class A {}\n" * 80 for n in "abc"}
GRADLE = "plugins { id 'java' }\n"
TOX = "[testenv]\ndeps =\n  pytest\n  responses\n  -r extra.txt\ncommands = pytest {posargs}\n"

# why, files, the "manager path" pairs a run uses
LAYOUTS = [
    # --- a manifest is what it says, not what it is called
    ("setup.py that sets nothing up", {"setup.py": NO_SETUP, "tests/test_a.py": TEST}, ["pip ."]),
    ("setup.py of a board alone", {"setup.py": NO_SETUP}, []),
    ("setup under an alias", {"setup.py": "import setuptools as s\ns.setup()\n"}, ["pip ."]),
    ("setup by a helper", {"setup.py": "import setuptools, h\nh.go(setuptools)\n"}, ["pip ."]),
    ("empty package.json", {"package.json": "{}"}, []),
    ("pom of something else", {"pom.xml": "<settings/>"}, []),
    ("go.mod without a module", {"go.mod": "go 1.22\n"}, []),
    ("commented build.gradle", {"build.gradle": "// nothing\n"}, []),
    ("Cargo.toml of a tool", {"Cargo.toml": "[profile.release]\nlto = true\n"}, []),
    # --- what is beside the project is not compulsory
    ("gradle in support/", {"setup.py": SETUP, "support/build.gradle": GRADLE}, ["pip ."]),
    ("fuzz crate", {"Cargo.toml": CRATE, "fuzz/Cargo.toml": CRATE}, ["cargo ."]),
    (
        "fuzz crate elsewhere",
        {"Cargo.toml": CRATE, "f/Cargo.toml": CRATE + "[package.metadata]\ncargo-fuzz = true\n"},
        ["cargo ."],
    ),
    ("template", {"setup.py": SETUP, "templates/app/package.json": PACKAGE}, ["pip ."]),
    ("template by its name", {"setup.py": SETUP, "app-template/package.json": PACKAGE}, ["pip ."]),
    ("cookiecutter", {"setup.py": SETUP, "cookiecutter-x/setup.py": SETUP}, ["pip ."]),
    ("playground", {"package.json": PACKAGE, "playground/package.json": PACKAGE}, ["npm ."]),
    ("e2e", {"package.json": PACKAGE, "e2e/package.json": PACKAGE}, ["npm ."]),
    ("e2e by its name", {"package.json": PACKAGE, "app-e2e/package.json": PACKAGE}, ["npm ."]),
    ("fixtures", {"setup.py": SETUP, "test-fixtures/a/pom.xml": "<project/>"}, ["pip ."]),
    ("website", {"setup.py": SETUP, "website/package.json": PACKAGE}, ["pip ."]),
    ("scripts", {"go.mod": "module x\n", "scripts/package.json": PACKAGE}, ["go ."]),
    ("third party", {"setup.py": SETUP, "third_party/x/Cargo.toml": CRATE}, ["pip ."]),
    ("benchmarks", {"Cargo.toml": CRATE, "benchmarks/Cargo.toml": CRATE}, ["cargo ."]),
    ("examples", {"go.mod": "module x\n", "examples/a/go.mod": "module y\n"}, ["go ."]),
    (
        "a real subproject stays",
        {"setup.py": SETUP, "web/package.json": PACKAGE},
        ["pip .", "npm web"],
    ),
    # --- a folder below a workspace uses the workspace's manager
    (
        "pnpm member",
        {
            "package.json": '{"name": "all"}',
            "pnpm-lock.yaml": PNPM,
            "pnpm-workspace.yaml": "packages: ['packages/*']\n",
            "packages/a/package.json": PACKAGE,
        },
        ["pnpm ."],
    ),
    (
        "pnpm, no member",
        {"package.json": PACKAGE, "pnpm-lock.yaml": PNPM, "apps/a/package.json": PACKAGE},
        ["pnpm .", "pnpm apps/a"],
    ),
    (
        "yarn, no member",
        {"package.json": PACKAGE, "yarn.lock": "", "apps/a/package.json": PACKAGE},
        ["yarn .", "yarn apps/a"],
    ),
    (
        "its own lock decides",
        {
            "package.json": PACKAGE,
            "yarn.lock": "",
            "apps/a/package.json": PACKAGE,
            "apps/a/package-lock.json": LOCK,
        },
        ["npm apps/a", "yarn ."],
    ),
    ("bun", {"package.json": PACKAGE, "bun.lock": "{}"}, ["bun ."]),
    (
        "bun by its field",
        {"package.json": '{"name": "a", "packageManager": "bun@1.1.0"}'},
        ["bun ."],
    ),
    ("deno", {"deno.json": "{}", "main_test.ts": ""}, ["deno ."]),
    (
        "deno with comments",
        {"deno.jsonc": '{\n// a\n"tasks": {"test": "deno test",},\n}'},
        ["deno ."],
    ),
    ("npm with a deno.json beside it", {"deno.json": "{}", "package.json": PACKAGE}, ["npm ."]),
    # --- a language that is not supported is not judged by what is beside it
    ("Laravel", {**PHP, "composer.json": "{}", "package.json": PACKAGE}, []),
    (
        "Rails",
        {f"app/{n}.rb": "class A; end\n" * 90 for n in "abc"} | {"package.json": PACKAGE},
        [],
    ),
    (
        "C with a Python script",
        {"src/a.c": "int a;\n" * 900, "setup.cfg": "", "gen.py": "x=1\n"},
        [],
    ),
    (
        "Python with a C extension",
        {"setup.py": SETUP, "a.c": "int a;\n" * 90, "a.py": "x = 1\n" * 90, "test_a.py": TEST},
        ["pip ."],
    ),
    (
        "JavaScript that is mostly minified",
        {"package.json": PACKAGE, "a.min.js": "x" * 9000},
        ["npm ."],
    ),
]


@pytest.mark.parametrize(
    ("files", "expected"), [row[1:] for row in LAYOUTS], ids=[r[0] for r in LAYOUTS]
)
def test_a_run_uses(lay, files: dict[str, str], expected: list[str]) -> None:
    found = detect(lay(files))
    assert sorted(f"{d.manager} {d.path}" for d in found if d.confidence >= USED_FROM) == sorted(
        expected
    )


NOX_UNITTEST = """import nox

@nox.session
def tests(session):
    session.run("python", "-m", "unittest", "discover", "-s", "t")
"""

# files, the checks that are inferred
CHECKS = [
    ({"package.json": PACKAGE, "bun.lock": ""}, ["bun run test"]),
    ({"package.json": '{"name": "a"}', "bun.lock": "", "a.test.ts": ""}, ["bun test"]),
    ({"deno.json": '{"tasks": {"test": "x"}}'}, ["deno task test"]),
    ({"deno.json": "{}", "a_test.ts": ""}, ["deno test -A"]),
    (
        {"setup.py": SETUP, "tox.ini": "[testenv]\ncommands = python runtests.py {posargs}\n"},
        ["python runtests.py"],
    ),
    ({"setup.py": SETUP, "tox.ini": TOX, "tests/test_a.py": TEST}, ["python -m pytest -q"]),
    (
        {
            "setup.py": SETUP,
            "noxfile.py": NOX_UNITTEST,
        },
        ["python -m unittest discover -s t"],
    ),
    ({**PHP, "package.json": '{"name": "a", "scripts": {"build": "vite build"}}'}, []),
]


@pytest.mark.parametrize(("files", "expected"), CHECKS)
def test_checks_are_inferred(lay, files: dict[str, str], expected: list[str]) -> None:
    assert [" ".join(check.argv) for check in inferred_checks(detect(lay(files)))] == expected


HATCH = """[tool.hatch.envs.test]
dependencies = ["pytest", "responses>=0.20"]
[tool.hatch.envs.docs]
dependencies = ["mkdocs"]
"""
NOX = """import nox

@nox.session(python=["3.11"])
def tests(session):
    session.install("-e", ".", "freezegun")
    session.install("-r", "extra.txt")
    session.run("pytest", *session.posargs)

@nox.session
def docs(session):
    session.install("sphinx")
"""

TOX_NATIVE = '[env_run_base]\ndeps = ["responses"]\n'

# files, what of it is installed, and what is not
INSTALLED = [
    (
        {"setup.py": SETUP, "tox.ini": TOX, "extra.txt": "vcrpy\n"},
        ["responses", "-r extra.txt"],
        [],
    ),
    ({"pyproject.toml": PROJECT + HATCH}, ["responses>=0.20"], ["mkdocs"]),
    (
        {"setup.py": SETUP, "noxfile.py": NOX, "extra.txt": ""},
        ["freezegun", "-r extra.txt"],
        ["sphinx"],
    ),
    ({"setup.py": SETUP, "noxfile.py": "def tests(:\n"}, [], []),
    ({"setup.py": SETUP, "tox.ini": "[testenv\n"}, [], []),
    # commands that are none, or hold nothing but what tox fills in
    *(
        ({"setup.py": SETUP, "tox.toml": f"{TOX_NATIVE}commands = {commands}\n"}, ["responses"], [])
        for commands in ("[]", "[[]]", '[["{posargs}"]]', "[1]", '"pytest"', '[[{replace = "x"}]]')
    ),
]


@pytest.mark.parametrize(("files", "there", "absent"), INSTALLED)
def test_dependencies_of_test_environments_are_installed(
    lay, files: dict[str, str], there: list[str], absent: list[str]
) -> None:
    (first, *_) = detect(lay(files | {"tests/test_a.py": TEST}))
    commands = "\n".join(" ".join(argv) for argv in first.install)
    assert [word for word in there if word not in commands] == []
    assert [word for word in absent if word in commands] == []


JEST = '{"scripts": {"test": "jest"}}'

# What a generator of projects fills in is a template, wherever it lies.
TEMPLATES = ["{{cookiecutter.slug}}", "{% if a %}api{% endif %}", "src/$name$", "<%= name %>"]


@pytest.mark.parametrize("folder", TEMPLATES)
def test_a_template_is_no_project_of_the_repository(lay, folder: str) -> None:
    found = detect(lay({"setup.py": SETUP, "test_a.py": TEST, f"{folder}/setup.py": SETUP}))
    assert [one.path for one in found if one.confidence >= USED_FROM] == ["."]


def test_tests_of_another_language_judge_no_project_without_a_toolchain(lay) -> None:
    files = {"build.sbt": "x\n", "A.scala": "x\n" * 50, "package.json": JEST}
    assert inferred_checks(detect(lay(files))) == ()


UNSUPPORTED = [
    (PHP, "PHP"),
    ({"a.rb": "x\n" * 50, "a.py": "x\n"}, "Ruby"),
    ({"a.py": "x\n" * 50, "a.rb": "x\n"}, None),
    ({"README.md": "x"}, None),
    # Java built by what is not read: no other project's tests judge it
    ({"build.sbt": "x\n", "A.scala": "x\n" * 50, "package.json": JEST}, "Java"),
    ({"build.xml": "x\n", "A.java": "x\n" * 50, "setup.py": SETUP}, "Java"),
    ({"pom.xml": "<project/>", "A.java": "x\n" * 50, "package.json": JEST}, None),
    # what is in examples and documentation does not count
    ({"docs/a.rb": "x\n" * 500, "a.py": "x\n"}, None),
]


@pytest.mark.parametrize(("files", "language"), UNSUPPORTED)
def test_the_main_language_is_known(lay, files: dict[str, str], language: str | None) -> None:
    assert unsupported_language(lay(files)) == language
