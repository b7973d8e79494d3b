"""Which commands install, build and test a project."""

import os

import pytest

from autopack.toolchains.detect import detect

PROJECT = '[project]\nname = "shop"\nversion = "1"\n'
BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
POETRY = '[build-system]\nbuild-backend = "poetry.core.masonry.api"\n[tool.poetry]\nname = "shop"\n'
TEST = "def test_it():\n    assert True\n"
CASE = "import unittest\nclass TestIt(unittest.TestCase):\n    def test_it(self): ...\n"
PIP = "python -m pip install"
PYTEST = "python -m pytest -q"
LOCK = '{"lockfileVersion": 3}'


def commands(one) -> dict[str, list[str]]:
    return {
        "install": [" ".join(argv) for argv in one.install],
        "test": [" ".join(argv) for argv in one.test],
    }


# files, install, test
PYTHON = [
    # nothing to install, nothing to test
    ({"pyproject.toml": PROJECT}, [], []),
    # only pytest, which nothing declares
    ({"pyproject.toml": PROJECT, "tests/test_it.py": TEST}, [f"{PIP} pytest"], [PYTEST]),
    ({"test_it.py": TEST}, [f"{PIP} pytest"], [PYTEST]),
    # a declared pytest is not asked for twice
    (
        {"requirements-dev.txt": "PyTest>=8  # tests\n", "it_test.py": TEST},
        [f"{PIP} -r requirements-dev.txt"],
        [PYTEST],
    ),
    # a comment declares nothing
    (
        {"requirements.txt": "# pytest\n", "test_it.py": TEST},
        [f"{PIP} -r requirements.txt", f"{PIP} pytest"],
        [PYTEST],
    ),
    # pytest-cov is not pytest
    (
        {"requirements.txt": "pytest-cov\n", "test_it.py": TEST},
        [f"{PIP} -r requirements.txt", f"{PIP} pytest"],
        [PYTEST],
    ),
    # an included file counts, and a cycle of them ends
    (
        {
            "requirements.txt": "-r more/all.txt\n",
            "more/all.txt": "pytest\n-r ../requirements.txt\n",
            "test_it.py": TEST,
        },
        [f"{PIP} -r requirements.txt"],
        [PYTEST],
    ),
    # hashes allow nothing without a hash beside them
    (
        {
            "requirements.txt": "a==1 \\\n    --hash=sha256:00\n",
            "requirements-test.txt": "pytest\n",
        },
        [f"{PIP} -r requirements.txt", f"{PIP} -r requirements-test.txt"],
        [],
    ),
    # requirements for linting or documentation are not needed
    ({"setup.py": "setup()", "requirements-docs.txt": "sphinx\n"}, [f"{PIP} -e ."], []),
    # the project itself with its test extra and group; the docs extra is left out
    (
        {
            "pyproject.toml": PROJECT
            + '[project.optional-dependencies]\ntest = ["pytest"]\ndocs = ["sphinx"]\n'
            + '[dependency-groups]\ndev = ["ruff", {include-group = "typing"}]\ntyping = ["mypy"]\n'
            + BUILD,
            "tests/test_it.py": TEST,
        },
        [f"{PIP} -e .[test] ruff mypy"],
        [PYTEST],
    ),
    # without a build system the dependencies are installed, not the project
    (
        {"pyproject.toml": PROJECT + 'dependencies = ["flask>=3"]\n', "tests/test_it.py": TEST},
        [f"{PIP} flask>=3 pytest"],
        [PYTEST],
    ),
    # its scripts need it installed all the same
    ({"pyproject.toml": PROJECT + '[project.scripts]\na = "a:b"\n'}, [f"{PIP} -e ."], []),
    # setup.py is read, not run
    (
        {
            "setup.py": "import setuptools\nTESTS = ['pytest']\n"
            "setuptools.setup(extras_require={'tests': TESTS, 'all': TESTS})\n1/0\n",
            "test_it.py": TEST,
        },
        [f"{PIP} -e .[tests]"],
        [PYTEST],
    ),
    (
        {
            "setup.cfg": "[metadata]\nname = shop\n[options.extras_require]\ndev =\n    pytest\n",
            "test_it.py": TEST,
        },
        [f"{PIP} -e .[dev]"],
        [PYTEST],
    ),
    # unittest only
    (
        {"tests/test_it.py": CASE, "setup.py": "setup()"},
        [f"{PIP} -e ."],
        ["python -m unittest discover -s tests"],
    ),
    (
        {"tests/__init__.py": "", "tests/test_it.py": CASE},
        [],
        ["python -m unittest discover -s tests -t ."],
    ),
    ({"test_it.py": CASE}, [], ["python -m unittest discover"]),
    ({"it_test.py": CASE}, [], ["python -m unittest discover -p *_test.py"]),
    # mixed styles, or pytest settings: pytest runs both
    ({"test_it.py": CASE, "test_b.py": TEST}, [f"{PIP} pytest"], [PYTEST]),
    ({"test_it.py": CASE, "conftest.py": ""}, [f"{PIP} pytest"], [PYTEST]),
    ({"test_it.py": CASE, "tox.ini": "[pytest]\n"}, [f"{PIP} pytest"], [PYTEST]),
    ({"test_it.py": CASE, "setup.cfg": "[tool:pytest]\n"}, [f"{PIP} pytest"], [PYTEST]),
    (
        {"a/test_it.py": CASE, "b/test_it.py": CASE, "setup.py": "import setuptools\n"},
        [f"{PIP} -e . pytest"],
        [PYTEST],
    ),
    # settings without tests promise nothing, unless they find tests elsewhere
    ({"pyproject.toml": PROJECT + "[tool.pytest.ini_options]\nminversion = '8'\n"}, [], []),
    (
        {"pyproject.toml": PROJECT + "[tool.pytest.ini_options]\npython_files = 'check_*.py'\n"},
        [f"{PIP} pytest"],
        [PYTEST],
    ),
    (
        {"pyproject.toml": PROJECT + "[tool.pytest]\naddopts = ['--doctest-modules']\n"},
        [f"{PIP} pytest"],
        [PYTEST],
    ),
    # the tests of another project in a folder are that project's
    (
        {"setup.py": "setup()", "sub/pyproject.toml": PROJECT, "sub/tests/test_it.py": TEST},
        [f"{PIP} -e ."],
        [],
    ),
    (
        {"manage.py": "", "requirements.txt": "Django~=5.0\n", "shop/tests.py": CASE},
        [f"{PIP} -r requirements.txt"],
        ["python manage.py test"],
    ),
    (
        {
            "Pipfile": '[packages]\nflask = "*"\n[dev-packages]\npytest = "==8.0"\n',
            "test_a.py": TEST,
        },
        [f"{PIP} flask pytest==8.0"],
        [PYTEST],
    ),
    # --- uv and Poetry
    (
        {
            "pyproject.toml": PROJECT + '[dependency-groups]\ntest = ["pytest"]\n',
            "uv.lock": "version = 1\n",
            "tests/test_it.py": TEST,
        },
        ["uv sync --active --inexact --frozen --group test"],
        [PYTEST],
    ),
    (
        {"pyproject.toml": PROJECT + "[tool.uv]\n", "test_it.py": TEST},
        ["uv sync --active --inexact", f"{PIP} pytest"],
        [PYTEST],
    ),
    (
        {
            "pyproject.toml": PROJECT + '[tool.uv.workspace]\nmembers = ["libs/*"]\n',
            "libs/a/pyproject.toml": PROJECT,
            "libs/a/tests/test_a.py": TEST,
        },
        ["uv sync --active --inexact --all-packages", f"{PIP} pytest"],
        [PYTEST],
    ),
    (
        {
            "pyproject.toml": POETRY
            + '[tool.poetry.group.dev.dependencies]\npytest = "^8.0"\n'
            + "[tool.poetry.group.test]\noptional = true\n"
            + '[tool.poetry.group.test.dependencies]\nfreezegun = "*"\n',
            "poetry.lock": "",
            "test_it.py": TEST,
        },
        ["poetry install --no-interaction --with test"],
        [PYTEST],
    ),
]


@pytest.mark.parametrize(("files", "install", "test"), PYTHON)
def test_python(lay, files: dict[str, str], install: list[str], test: list[str]) -> None:
    (one,) = [d for d in detect(lay(files)) if d.path == "."]

    assert commands(one) == {"install": install, "test": test}


# Poetry's constraint, pip's
CONSTRAINTS = [
    ('"^1.2.3"', "a>=1.2.3,<2"),
    ('"^0.2.3"', "a>=0.2.3,<0.3"),
    ('"^0.0.3"', "a>=0.0.3,<0.0.4"),
    ('"^0"', "a>=0,<1"),
    ('"~1.2.3"', "a>=1.2.3,<1.3"),
    ('"~1"', "a>=1,<2"),
    ('"~=1.4"', "a~=1.4"),
    ('">=1, <3"', "a>=1,<3"),
    ('"1.2.*"', "a==1.2.*"),
    ('"1.2"', "a==1.2"),
    ('"*"', "a"),
    ('"^1 || ^2"', "a"),  # pip has no "or"
    ('{version = "^1", extras = ["x", "y"]}', "a[x,y]>=1,<2"),
    ('{version = "1", markers = "os_name == \'nt\'"}', "a==1; os_name == 'nt'"),
    ('{git = "https://example.com/a.git", tag = "v1"}', "a @ git+https://example.com/a.git@v1"),
]


@pytest.mark.parametrize(("constraint", "requirement"), CONSTRAINTS)
def test_poetry_constraints_in_the_words_of_pip(lay, constraint: str, requirement: str) -> None:
    manifest = (
        f"[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\na = {constraint}\n"
    )

    (one,) = detect(lay({"pyproject.toml": manifest}))

    assert one.without_manager == (("python", "-m", "pip", "install", requirement),)


# files, install, test
NODE = [
    # no dependencies: nothing to install
    ({"package.json": '{"name": "a", "scripts": {"test": "node --test"}}'}, [], ["npm test"]),
    # what npm init writes is no test
    (
        {
            "package.json": '{"name": "a", "scripts": '
            '{"test": "echo \\"Error: no test specified\\" && exit 1"}}'
        },
        [],
        [],
    ),
    ({"package.json": '{"name": "a", "scripts": {"test": " "}}'}, [], []),
    ({"package.json": '{"devDependencies": {"b": "1"}}'}, ["npm install --no-package-lock"], []),
    ({"package.json": '{"name": "a"}', "package-lock.json": LOCK}, ["npm ci"], []),
    # a broken lock cannot be installed from
    (
        {"package.json": '{"dependencies": {"b": "1"}}', "package-lock.json": "{"},
        ["npm install --no-package-lock"],
        [],
    ),
    ({"package.json": '{"name": "a"}', "yarn.lock": ""}, ["yarn install --frozen-lockfile"], []),
    (
        {"package.json": '{"name": "a"}', "yarn.lock": "# head\n\n__metadata:\n  version: 8\n"},
        ["yarn install --immutable"],
        [],
    ),
    (
        {"package.json": '{"packageManager": "yarn@3.6.0"}', "yarn.lock": ""},
        ["yarn install --immutable"],
        [],
    ),
    (
        {"package.json": '{"name": "a"}', "pnpm-lock.yaml": ""},
        ["pnpm install --frozen-lockfile"],
        [],
    ),
    # the members' tests, where the root has none
    (
        {
            "package.json": '{"workspaces": ["p/*"]}',
            "p/a/package.json": '{"scripts": {"test": "mocha"}}',
        },
        ["npm install --no-package-lock"],
        ["npm test --workspaces --if-present"],
    ),
    (
        {
            "package.json": '{"workspaces": ["p/*"]}',
            "yarn.lock": "",
            "p/a/package.json": '{"scripts": {"test": "mocha"}}',
            "p/b/package.json": '{"name": "b"}',
        },
        ["yarn install --frozen-lockfile"],
        ["yarn --cwd p/a test"],
    ),
    (
        {
            "package.json": '{"name": "a"}',
            "pnpm-workspace.yaml": "packages: ['p/*']\n",
            "p/a/package.json": '{"scripts": {"test": "mocha"}}',
        },
        ["pnpm install --no-lockfile"],
        ["pnpm -r test"],
    ),
]


@pytest.mark.parametrize(("files", "install", "test"), NODE)
def test_node(lay, files: dict[str, str], install: list[str], test: list[str]) -> None:
    assert commands(detect(lay(files))[0]) == {"install": install, "test": test}


# files, install, test
COMPILED = [
    ({"go.mod": "module a\n"}, ["go mod download"], ["go test ./..."]),
    # its dependencies are in the repository
    ({"go.mod": "module a\n", "vendor/modules.txt": ""}, [], ["go test ./..."]),
    (
        {"go.work": "use ./a\nuse ./b\n", "a/go.mod": "module a\n"},
        ["go mod download"],
        ["go test ./a/... ./b/..."],
    ),
    ({"Cargo.toml": '[package]\nname = "a"\n'}, ["cargo fetch"], ["cargo test"]),
    (
        {"Cargo.toml": '[workspace]\nmembers = ["a"]\n', "Cargo.lock": ""},
        ["cargo fetch --locked"],
        ["cargo test --workspace"],
    ),
    ({"pom.xml": "<project/>"}, ["mvn -B -q dependency:resolve"], ["mvn -B -q test"]),
    # modules that depend on each other cannot be resolved before they are compiled
    (
        {"pom.xml": "<project><modules><module>a</module></modules></project>"},
        [],
        ["mvn -B -q test"],
    ),
    (
        {"build.gradle": "x"},
        ["gradle dependencies -q --no-daemon --console=plain"],
        ["gradle test --no-daemon --console=plain"],
    ),
]


@pytest.mark.parametrize(("files", "install", "test"), COMPILED)
def test_compiled(lay, files: dict[str, str], install: list[str], test: list[str]) -> None:
    assert commands(detect(lay(files))[0]) == {"install": install, "test": test}


@pytest.mark.skipif(os.name == "nt", reason="wrappers have other names there")
def test_wrappers_are_used_and_started_through_sh_when_not_executable(lay) -> None:
    root = lay({"pom.xml": "<project/>", "mvnw": "#!/bin/sh\n"})
    assert detect(root)[0].test == (("sh", "./mvnw", "-B", "-q", "test"),)

    (root / "mvnw").chmod(0o755)
    assert detect(root)[0].test == (("./mvnw", "-B", "-q", "test"),)


@pytest.mark.skipif(os.name == "nt", reason="wrappers have other names there")
def test_a_gradle_wrapper_without_its_jar_is_not_used(lay) -> None:
    root = lay({"build.gradle": "x", "gradlew": ""})
    assert detect(root)[0].test[0][0] == "gradle"

    lay({"gradle/wrapper/gradle-wrapper.jar": ""})
    assert detect(root)[0].test[0][:2] == ("sh", "./gradlew")


def test_builds(lay) -> None:
    root = lay(
        {
            "a/package.json": '{"name": "a", "scripts": {"build": "tsc"}}',
            "b/pyproject.toml": PROJECT + BUILD,
            "c/Cargo.toml": '[package]\nname = "c"\n',
            "d/go.mod": "module d\n",
        }
    )

    assert {one.path: " ".join(one.build[0]) for one in detect(root)} == {
        "a": "npm run build",
        "b": "python -m pip wheel --no-deps --wheel-dir dist .",
        "c": "cargo build",
        "d": "go build ./...",
    }
