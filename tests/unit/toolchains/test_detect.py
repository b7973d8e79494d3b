"""Which projects a repository has: managers, members, traps."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from support.manifests import CRATE, LOCK, PACKAGE, POM, PROJECT, TEST

from autopack.toolchains import Detected
from autopack.toolchains.detect import USED_FROM, detect

# files, then the "manager path" pairs a run would use, best first
USED = [
    # --- Python
    ({"requirements.txt": "uvicorn==0.30\n"}, ["pip ."]),  # uvicorn is not uv
    ({"pyproject.toml": PROJECT + 'dependencies = ["uvicorn", "poetry"]\n'}, ["pip ."]),
    ({"pyproject.toml": PROJECT + "# [tool.poetry] and [tool.uv] are comments\n"}, ["pip ."]),
    ({"pyproject.toml": PROJECT + 'description = "[tool.uv]"\n'}, ["pip ."]),
    ({"pyproject.toml": PROJECT + "[tool.uv]\n"}, ["uv ."]),
    ({"pyproject.toml": PROJECT, "uv.lock": "version = 1\n"}, ["uv ."]),
    ({"pyproject.toml": '[tool.poetry]\nname = "shop"\n'}, ["poetry ."]),
    ({"pyproject.toml": PROJECT, "poetry.lock": "# made by Poetry\n"}, ["poetry ."]),
    # two locks: the tool's table decides
    (
        {"pyproject.toml": PROJECT + "[tool.poetry]\n", "poetry.lock": "", "uv.lock": ""},
        ["poetry ."],
    ),
    ({"pyproject.toml": PROJECT + '[build-system]\nbuild-backend = "uv_build"\n'}, ["uv ."]),
    (
        {"pyproject.toml": PROJECT + '[build-system]\nbuild-backend = "poetry.core.masonry.api"'},
        ["poetry ."],
    ),
    ({"setup.py": "from setuptools import setup\nsetup(name='shop')\n"}, ["pip ."]),
    ({"setup.cfg": "[metadata]\nname = shop\n"}, ["pip ."]),
    ({"Pipfile": '[packages]\nrequests = "*"\n'}, ["pip ."]),
    ({"calc.py": "", "test_calc.py": TEST}, ["pip ."]),  # plain scripts with tests
    ({"calc.py": ""}, []),  # a lone script gives nothing to run
    ({"pyproject.toml": "[tool.black]\n", "package.json": PACKAGE}, ["npm ."]),
    ({"setup.cfg": "[flake8]\nmax-line-length = 100\n"}, []),
    ({"pyproject.toml": "[project\n"}, []),  # broken: nothing that runs can be built on it
    # members of a uv workspace share its environment
    (
        {
            "pyproject.toml": PROJECT + '[tool.uv.workspace]\nmembers = ["libs/*"]\n',
            "libs/a/pyproject.toml": PROJECT,
            "other/pyproject.toml": PROJECT,
        },
        ["pip other", "uv ."],
    ),
    # --- Node
    ({"package.json": PACKAGE}, ["npm ."]),
    ({"package.json": PACKAGE, "package-lock.json": LOCK}, ["npm ."]),
    ({"package.json": PACKAGE, "npm-shrinkwrap.json": LOCK}, ["npm ."]),
    ({"package.json": PACKAGE, "yarn.lock": "# yarn lockfile v1\n"}, ["yarn ."]),
    ({"package.json": PACKAGE, "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, ["pnpm ."]),
    ({"package.json": '{"name": "yarn-tools", "description": "pnpm"}'}, ["npm ."]),
    ({"package.json": '{"packageManager": "pnpm@9.1.0"}'}, ["pnpm ."]),
    # packageManager beats a left-over lock file
    ({"package.json": '{"packageManager": "yarn@4.1.0"}', "package-lock.json": LOCK}, ["yarn ."]),
    ({"package.json": '{"devEngines": {"packageManager": {"name": "pnpm"}}}'}, []),
    (
        {"package.json": '{"name": "a", "devEngines": {"packageManager": {"name": "pnpm"}}}'},
        ["pnpm ."],
    ),
    ({"package.json": PACKAGE, "package-lock.json": LOCK, "yarn.lock": ""}, ["yarn ."]),
    ({"package.json": PACKAGE, "bun.lockb": ""}, ["bun ."]),
    ({"package.json": '{"type": "module"}'}, []),  # a marker, not a project
    ({"package.json": "{"}, []),
    ({"package.json": "[]"}, []),
    # members are installed by their workspace; what is excluded stands alone
    (
        {
            "package.json": '{"name": "all", "workspaces": ["packages/*", "!packages/old"]}',
            "packages/a/package.json": PACKAGE,
            "packages/old/package.json": PACKAGE,
        },
        ["npm .", "npm packages/old"],
    ),
    (
        {
            "package.json": '{"name": "all", "workspaces": {"packages": ["./libs/**"]}}',
            "libs/x/y/package.json": PACKAGE,
        },
        ["npm ."],
    ),
    (
        {
            "package.json": '{"name": "all"}',
            "pnpm-workspace.yaml": "packages:\n  - 'apps/*'\n",
            "apps/web/package.json": PACKAGE,
        },
        ["pnpm ."],
    ),
    # --- Go
    ({"go.mod": "module example.com/shop\n", "go.sum": ""}, ["go ."]),
    ({"go.mod": "// module example.com/shop\n"}, []),  # a comment is no directive
    ({"go.mod": "module a\n", "tools/go.mod": "module b\n"}, ["go .", "go tools"]),
    (
        {
            "go.work": "go 1.22\nuse (\n\t./a // first\n\t./b\n)\n",
            "a/go.mod": "module a\n",
            "b/go.mod": "module b\n",
            "c/go.mod": "module c\n",
        },
        ["go .", "go c"],
    ),
    # --- Rust
    ({"Cargo.toml": CRATE}, ["cargo ."]),
    ({"Cargo.toml": "[package\n"}, []),
    ({"Cargo.toml": "[profile.release]\nlto = true\n"}, []),
    # "excluded" and a workspace of its own stand alone; path members do not
    (
        {
            "Cargo.toml": '[workspace]\nmembers = ["a"]\nexclude = ["out-of-it"]\n',
            "a/Cargo.toml": CRATE,
            "b/Cargo.toml": CRATE,
            "out-of-it/Cargo.toml": CRATE,
            "own/Cargo.toml": CRATE + "[workspace]\n",
        },
        ["cargo .", "cargo out-of-it", "cargo own"],
    ),
    ({"Cargo.toml": CRATE, "sub/Cargo.toml": CRATE}, ["cargo .", "cargo sub"]),
    # --- Java
    ({"pom.xml": POM.format("")}, ["maven ."]),
    ({"pom.xml": "<project><artifactId>"}, []),
    ({"pom.xml": "<html/>"}, []),
    ({"pom.xml": '<!DOCTYPE p [<!ENTITY a "b">]><project/>'}, []),
    (
        {
            "pom.xml": POM.format("<modules><module>core</module></modules>"),
            "core/pom.xml": POM.format("<modules><module>deep</module></modules>"),
            "core/deep/pom.xml": POM.format(""),
            "alone/pom.xml": POM.format(""),
        },
        ["maven .", "maven alone"],
    ),
    ({"build.gradle.kts": "plugins { java }\n"}, ["gradle ."]),
    ({"build.gradle": "// apply plugin: 'java'\n"}, []),
    (
        {
            "settings.gradle": "include 'app'\n",
            "app/build.gradle": "apply plugin: 'java'\n",
            "buildSrc/build.gradle": "apply plugin: 'groovy'\n",
            "tool/settings.gradle": "",
            "tool/build.gradle": "apply plugin: 'java'\n",
            "legacy/pom.xml": POM.format(""),
        },
        ["maven legacy", "gradle .", "gradle tool"],
    ),
    ({"pom.xml": POM.format(""), "build.gradle": "apply plugin: 'java'\n"}, ["maven ."]),
    (
        {"pom.xml": POM.format(""), "build.gradle": "apply plugin: 'java'\n", "gradlew": ""},
        ["gradle ."],
    ),
    # --- several
    (
        {
            "pyproject.toml": PROJECT,
            "package.json": PACKAGE,
            "go.mod": "module a\n",
            "Cargo.toml": CRATE,
        },
        ["pip .", "go .", "cargo .", "npm ."],
    ),
    (
        {"backend/requirements.txt": "django\n", "frontend/package.json": PACKAGE},
        ["npm frontend", "pip backend"],
    ),
    # made or taken from elsewhere
    (
        {
            "node_modules/x/package.json": PACKAGE,
            "vendor/m/go.mod": "module m\n",
            "build/lib/setup.py": "setup()",
            "dist/package.json": PACKAGE,
            "target/x/Cargo.toml": CRATE,
            ".tox/py/setup.py": "setup()",
            "lib/site-packages/x/setup.py": "setup()",
            "my-env/pyvenv.cfg": "",
            "my-env/src/x/pyproject.toml": PROJECT,
            ".git/package.json": PACKAGE,
        },
        [],
    ),
    # illustrations and test data are not what the repository is
    (
        {
            "pyproject.toml": PROJECT,
            "examples/web/package.json": PACKAGE,
            "tests/data/crate/Cargo.toml": CRATE,
            "docs/requirements.txt": "sphinx\n",
        },
        ["pip ."],
    ),
    ({"a/b/c/d/go.mod": "module d\n", "a/b/c/d/e/go.mod": "module e\n"}, ["go a/b/c/d"]),
    ({}, []),
]


@pytest.mark.parametrize(("files", "expected"), USED)
def test_projects_a_run_would_use(lay, files: dict[str, str], expected: list[str]) -> None:
    found = detect(lay(files))

    assert [f"{d.manager} {d.path}" for d in found if d.confidence >= USED_FROM] == expected


# files, and what the evidence of the first project must say
EVIDENCE = [
    ({"uv.lock": "", "pyproject.toml": PROJECT}, "uv.lock"),
    ({"pyproject.toml": "[tool.poetry]\n"}, "pyproject.toml: [tool.poetry]"),
    ({"pyproject.toml": "[project\n"}, "pyproject.toml: cannot be parsed"),
    ({"setup.py": "print 'python 2'\n"}, "setup.py: cannot be parsed"),
    ({"package.json": "{"}, "package.json: cannot be parsed"),
    ({"package.json": "[" * 100_000}, "package.json: cannot be parsed"),
    ({"package.json": '"a"'}, "package.json: cannot be parsed (it is not a table)"),
    ({"Cargo.toml": "]"}, "Cargo.toml: cannot be parsed"),
    ({"pom.xml": "<project>"}, "pom.xml: cannot be parsed"),
    ({"go.mod": "require (\n"}, "go.mod: cannot be parsed (the require block is not closed)"),
    (
        {"package.json": PACKAGE, "package-lock.json": "<<<<<<< ours"},
        "package-lock.json: cannot be parsed",
    ),
    (
        {"package.json": PACKAGE, "yarn.lock": "<<<<<<< ours\n"},
        "yarn.lock: cannot be parsed (it holds merge conflict markers)",
    ),
    (
        {"package.json": PACKAGE, "package-lock.json": LOCK, "pnpm-lock.yaml": ""},
        "conflict: package-lock.json beside pnpm",
    ),
    (
        {"pyproject.toml": PROJECT, "uv.lock": "", "poetry.lock": ""},
        "conflict: poetry.lock beside uv",
    ),
    ({"package.json": '{"packageManager": "pnpm@9"}'}, "packageManager: pnpm"),
    ({"package.json": PACKAGE, "bun.lock": ""}, "bun.lock"),
    ({"pom.xml": POM.format(""), "build.gradle": "x"}, "also a gradle build: maven is used"),
    ({"build.gradle": "x", "gradlew": ""}, "gradle/wrapper/gradle-wrapper.jar is missing"),
    ({"examples/go.mod": "module a\n"}, "in examples/: beside the project"),
]


@pytest.mark.parametrize(("files", "sentence"), EVIDENCE)
def test_evidence_says_why(lay, files: dict[str, str], sentence: str) -> None:
    (first, *_) = detect(lay(files))

    assert any(sentence in line for line in first.evidence), first.evidence


# the surer one first; each pair differs in one thing
SURER = [
    ({"go.mod": "module a\n", "go.sum": ""}, {"go.mod": "module a\n"}),
    ({"package.json": PACKAGE, "yarn.lock": ""}, {"package.json": PACKAGE}),
    (
        {"package.json": PACKAGE, "yarn.lock": ""},
        {"package.json": PACKAGE, "yarn.lock": "", "package-lock.json": LOCK},
    ),
    (
        {"pyproject.toml": PROJECT, "uv.lock": ""},
        {"pyproject.toml": PROJECT, "uv.lock": "", "poetry.lock": ""},
    ),
    ({"package.json": PACKAGE}, {"package.json": PACKAGE[:-1]}),
    ({"pyproject.toml": PROJECT}, {"requirements.txt": "flask\n"}),
    ({"pyproject.toml": PROJECT}, {"api/pyproject.toml": PROJECT}),
    ({"api/pyproject.toml": PROJECT}, {"tests/api/pyproject.toml": PROJECT}),
]


@pytest.mark.parametrize(("surer", "other"), SURER)
def test_confidence_falls_with_doubt(
    tmp_path: Path, surer: dict[str, str], other: dict[str, str]
) -> None:
    confidences: list[float] = []
    for name, files in (("surer", surer), ("other", other)):
        for file, content in files.items():
            target = tmp_path / name / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
        confidences.append(detect(tmp_path / name)[0].confidence)

    assert confidences[0] > confidences[1]


def test_confidences_are_probabilities_best_first(lay) -> None:
    files = {"pyproject.toml": PROJECT, "web/package.json": PACKAGE, "docs/go.mod": "module a\n"}

    confidences = [one.confidence for one in detect(lay(files))]

    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < one <= 1 for one in confidences)


def test_what_was_detected_survives_json(lay) -> None:
    files = {"pyproject.toml": '[tool.poetry.dependencies]\na = "^1"\n', "poetry.lock": ""}
    (one,) = detect(lay(files))
    assert one.without_manager

    assert Detected.from_json(json.loads(json.dumps(asdict(one)))) == one
