# ruff: noqa: E501 - a table
"""Which changes are changes of tests, or of the settings that decide which tests count."""

from __future__ import annotations

import pytest

from autopack.workspace.changes import Change
from autopack.workspace.protected_tests import changed_tests, unasked

# a path, and what it is
PATHS = [
    ("tests/test_a.py", "test"),
    ("tests/data/a.json", "test"),  # what a test compares with
    ("src/pkg/tests/a.txt", "test"),
    ("test_a.py", "test"),
    ("pkg/a_test.go", "test"),
    ("web/a.test.tsx", "test"),
    ("web/__snapshots__/a.snap", "test"),
    ("src/test/java/ATest.java", "test"),
    ("spec/a_spec.rb", "test"),
    ("spec/openapi.yaml", None),  # a specification
    ("conftest.py", "settings"),
    ("pkg/conftest.py", "settings"),
    ("tests/conftest.py", "settings"),
    ("sitecustomize.py", "settings"),
    ("pytest.ini", "settings"),
    ("tox.ini", "settings"),
    ("jest.config.ts", "settings"),
    ("vitest.config.mts", "settings"),
    ("phpunit.xml.dist", "settings"),
    (".coveragerc", "settings"),
    ("pytest.toml", "settings"),
    ("toxfile.py", "settings"),
    ("src/setupTests.ts", "settings"),
    ("run_tests.sh", "settings"),
    ("scripts/runtests.py", "settings"),
    ("web/a.spec.mts", "test"),
    ("web/a.e2e-spec.ts", "test"),
    ("src/ASpec.groovy", "test"),
    ("shop/test.py", "test"),
    ("Shop.Tests/Cart.cs", "test"),
    ("app/src/androidTest/Helper.kt", "test"),
    ("unit_tests/a.py", "test"),
    ("test-utils/index.ts", "test"),
    ("pytest.py", "settings"),
    ("unittest/__init__.py", "settings"),
    ("_pytest/main.py", "settings"),
    ("src/_pytest/main.py", None),
    (".mvn/maven.config", "settings"),
    ("gradlew", "settings"),
    ("src/contest.py", None),
    ("src/testing.py", None),
    ("models/net.pth", None),
    ("Latest/a.py", None),
    ("contests/a.py", None),
    ("src/latest.py", None),
    ("src/attest/a.py", None),
    ("README.md", None),
]


def nothing(_: str) -> bytes | None:
    return None


@pytest.mark.parametrize(("path", "kind"), PATHS)
@pytest.mark.parametrize("status", ["A", "M", "D"])
def test_a_path_tells(path: str, kind: str | None, status: str) -> None:
    found = changed_tests([Change(path, status, "100644")], before=nothing, after=nothing)
    assert [(one.path, one.status, one.kind) for one in found] == (
        [(path, status, kind)] if kind else []
    )


# a manifest, before, after, whether its settings of tests changed
# fmt: off
MANIFESTS = [
    ("pyproject.toml", "[project]\nversion='1'\n", "[project]\nversion='2'\n", False),
    ("pyproject.toml", "", "[tool.pytest.ini_options]\naddopts='-k nothing'\n", True),
    ("pyproject.toml", "[tool.coverage.report]\nfail_under=90\n", "", True),
    ("pyproject.toml", "[tool.ruff]\nselect=['A']\n", "[tool.ruff]\n", False),
    ("pyproject.toml", "a=1\n", "not toml [", True),  # nobody knows what it says now
    ("package.json", '{"version": "1"}', '{"version": "2"}', False),
    ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "true"}}', True),
    ("package.json", '{"scripts": {"build": "a"}}', '{"scripts": {"build": "b"}}', False),
    ("package.json", "{}", '{"jest": {"bail": 1}}', True),
    ("web/package.json", "{}", '{"mocha": {}}', True),
    ("setup.cfg", "[metadata]\nname=a\n", "[metadata]\nname=b\n", False),
    ("setup.cfg", "", "[tool:pytest]\naddopts=-x\n", True),
    ("Cargo.toml", "[package]\nname='a'\n", "[package]\nname='a'\n[lib]\ntest=false\n", True),
    (".cargo/config.toml", "", "[alias]\ntest = 'check'\n", True),
    ("config.toml", "debug = true\n", "debug = false\n", False),
    (".cargo/config.toml", "", "[build]\nrustc-wrapper = 'mine'\n", True),
    ("pyproject.toml", "", "[tool.poetry.plugins.pytest11]\nmine = 'mine'\n", True),
    ("setup.py", "setup()\n", "setup(entry_points={'pytest11': ['mine = mine']})\n", True),
    ("setup.py", "setup()\n", "setup(name='a')\n", False),
    (".npmrc", "", "script-shell=/bin/true\n", True),
    (".npmrc", "", "save-exact=true\n", False),
    (".yarnrc.yml", "", "yarnPath: mine.cjs\n", True),
    ("nx.json", "{}", '{\n "targetDefaults": {\n  "test": {}\n }\n}', True),
    ("package.json", '{"scripts": {"test": "npm run all", "all": "jest"}}',
     '{"scripts": {"test": "npm run all", "all": "true"}}', True),
    ("package.json", '{"scripts": {"test": "run-s a:b", "a:b": "yarn c", "c": "jest"}}',
     '{"scripts": {"test": "run-s a:b", "a:b": "yarn c", "c": "true"}}', True),
    ("Makefile", "all:\n\tcc\n", "SHELL := /bin/true\nall:\n\tcc\n", True),
    ("Makefile", "all:\n\tcc\n", ".IGNORE:\nall:\n\tcc\n", True),
    # of what any program may be built with
    ("Makefile", "test:\n\tpytest\n", "test:\n\ttrue\n", True),
    ("Makefile", "all:\n\tcc a.c\ntest:\n\t./a\n", "all:\n\tcc -O2 a.c\ntest:\n\t./a\n", False),
    ("justfile", "test:\n    go test ./...\n", "test:\n    go vet ./...\n", True),
    ("Taskfile.yml", "tasks:\n  test:\n    cmds: [a]\n", "tasks:\n  test:\n    cmds: [b]\n", True),
    ("Rakefile", "task :spec do\n  sh 'rspec'\nend\n", "task :spec do\n  true\nend\n", True),
    ("build.gradle", "test {\n  useJUnitPlatform()\n}\n", "test {\n  enabled = false\n}\n", True),
    ("build.gradle", "dependencies {\n  testImplementation 'a:1'\n}", "dependencies {\n  testImplementation 'a:2'\n}", False),
    ("pom.xml", "<a/>\n", "<properties>\n<skipTests>true</skipTests>\n</properties>\n", True),
    ("pom.xml", "<dependency>\n<scope>test</scope>\n", "<dependency>\n<version>2</version>\n<scope>test</scope>\n", False),
    ("vite.config.ts", "export default {\n  test: {\n    globals: true\n  }\n}", "export default {\n  test: {\n    exclude: ['**']\n  }\n}", True),
    ("vite.config.ts", "export default {\n  base: '/a'\n}", "export default {\n  base: '/b'\n}", False),
    ("deno.json", '{"tasks": {"test": "a"}}', '{"tasks": {"test": "b"}}', True),
    ("CMakeLists.txt", "add_test(NAME a COMMAND a)\n", "", True),
    ("composer.json", '{"scripts": {"test": "phpunit"}}', '{"scripts": {"test": "true"}}', True),
    ("mix.exs", "[test_paths: [\"test\"]]", "[test_paths: []]", True),
]


# fmt: on
@pytest.mark.parametrize(("path", "before", "after", "counts"), MANIFESTS)
def test_of_a_manifest_only_what_is_about_tests_counts(
    path: str, before: str, after: str, counts: bool
) -> None:
    found = changed_tests(
        [Change(path, "M", "100644")],
        before=lambda _: before.encode(),
        after=lambda _: after.encode(),
    )
    assert bool(found) is counts


# what a phase names, and whether that allows a change of tests/test_a.py
NAMED = [
    ((), False),
    (("src/",), False),
    (("**",), False),
    (("tests/",), True),
    (("tests/test_a.py",), True),
    (("tests/test_b.py",), False),
    (("tests/test_*.py",), True),
]


@pytest.mark.parametrize(("named", "allowed"), NAMED)
def test_only_what_names_tests_allows_changing_them(named: tuple[str, ...], allowed: bool) -> None:
    change = Change("tests/test_a.py", "M", "100644")
    found = changed_tests([change], before=nothing, after=nothing)
    assert (unasked(found, named) == []) is allowed
