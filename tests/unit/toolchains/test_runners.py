# ruff: noqa: E501 - a table
"""What test runners, linters and type checkers print, read as an account of their tests.

The samples in ``tests/data/results`` were recorded from the programs themselves, but for those of
Maven, Gradle, PHPUnit, RSpec, .NET and nextest, which follow their documentation.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from autopack.repair.classify.classifier import classify_check
from autopack.toolchains.runners import (
    Told,
    ask,
    broken_off,
    read_results,
    readable,
    runners,
    saying,
)

SAMPLES = Path(__file__).parents[2] / "data/results"
NPM = ("npm", "test")
MAKE = ("make", "test")


def told(argv: tuple[str, ...], sample: str, status: int = 1, folder: Path | None = None) -> Told:
    output = (SAMPLES / f"{sample}.txt").read_text(encoding="utf-8")
    return Told(argv, status, output, Path("no-report"), folder)


# sample, how it was run, the tests that failed, how many results there are
WHOLE = [
    ("vitest", NPM, {"a.test.js > outer > old red", "a.test.js > outer > inner > old red", "b.test.js > alone"}, 7),
    ("jest", NPM, {"a.test.js › outer › old red", "a.test.js › outer › inner › old red", "b.test.js › alone"}, 7),
    ("mocha", NPM, {"alone", "outer > old red", "outer > inner > old red"}, 6),
    ("node-spec", NPM, {"outer > old red", "outer > inner > old red", "parent > sub two"}, 9),
    ("node-tap", NPM, {"outer > old red", "outer > inner > old red", "parent > sub two"}, 8),
    ("bun", ("bun", "test"), {"a.test.js > outer > old red", "a.test.js > outer > inner > old red", "b.test.js > alone"}, 7),
    ("deno", ("deno", "test"), {"old red => ./a_test.ts", "steps ... two => ./a_test.ts"}, 5),
    ("playwright", NPM, {"a.spec.js › outer › old red", "a.spec.js › alone"}, 5),
    ("unittest", ("python", "-m", "unittest"), {"test_old (test_a.A.test_old)", "test_err (test_a.A.test_err)", "test_subs (test_a.A.test_subs) (i=1)"}, 6),
    ("unittest-v", ("python", "manage.py", "test"), {"test_old (test_a.A.test_old)", "test_err (test_a.A.test_err)", "test_subs (test_a.A.test_subs) (i=1)"}, 6),
    ("go-events", ("go", "test", "./..."), {"m/b::TestB"}, 2),
    ("cargo", ("cargo", "test"), {"unittests src/lib.rs: tests::old", "tests/it.rs: outside"}, 5),
    ("nextest", ("cargo", "nextest", "run"), {"demo tests::old", "demo::it outside"}, 4),
    ("gradle", ("./gradlew", "test"), {"ATest > old()", "ATest > In > old()"}, 5),
    ("maven", ("mvn", "test"), {"demo.ATest.old", "demo.ATest.err"}, 5),
    ("phpunit", ("vendor/bin/phpunit",), {"Demo\\ATest::testErr", "Demo\\ATest::testOld with data set #1 (1, 2)"}, 6),
    ("rspec", ("bundle", "exec", "rspec"), {"./spec/a_spec.rb: Thing adds", "./spec/a_spec.rb: Thing when large raises"}, 4),
    ("ctest", ("ctest",), {"old", "new"}, 3),
    ("dotnet", ("dotnet", "test"), {"Demo.ATest.Old", "Demo.ATest.Adds(x: 1, y: 3)"}, 6),
    ("pytest-make", MAKE, {"FAILED tests/test_a.py::test_old", "FAILED tests/test_a.py::test_p[a"}, 3),
    # findings: fewer of them are no loss
    ("pyright", ("pyright",), {'/project/p.py: Type "Literal[\'s\']" is not assignable to declared type "int"', '/project/p.py: "y" is not defined (reportUndefinedVariable)'}, None),
    ("mypy", ("mypy", "."), {'p.py: Incompatible types in assignment (expression has type "str", variable has type "int")  [assignment]'}, None),
    ("ruff", ("ruff", "check"), {"p.py: I001 Import block is un-sorted or un-formatted", "p.py: F401 `os` imported but unused", "p.py: F821 Undefined name `y`"}, None),
    ("ruff-concise", MAKE, {"p.py: I001 Import block is un-sorted or un-formatted", "p.py: F401 `os` imported but unused", "p.py: F821 Undefined name `y`"}, None),
    ("tsc", NPM, {"a.ts: TS2322 Type 'string' is not assignable to type 'number'.", "a.ts: TS2307 Cannot find module './nope' or its corresponding type declarations.", "a.ts: TS7006 Parameter 'b' implicitly has an 'any' type."}, None),
    ("tsc-pretty", ("npx", "tsc"), {"a.ts: TS2322 Type 'string' is not assignable to type 'number'.", "a.ts: TS2307 Cannot find module './nope' or its corresponding type declarations.", "a.ts: TS7006 Parameter 'b' implicitly has an 'any' type."}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "argv", "failed", "count"), WHOLE, ids=[row[0] for row in WHOLE]
)
def test_a_whole_account(
    sample: str, argv: tuple[str, ...], failed: set[str], count: int | None
) -> None:
    results = read_results(told(argv, sample))
    assert results is not None
    assert results.failed == failed
    assert results.count == count
    if results.ran is not None:
        assert {name.partition(" (i=")[0] for name in failed} <= results.ran


BROKEN = [
    # stopped at the first failure
    ("vitest-bail", NPM),
    ("jest-bail", NPM),
    ("bun-bail", ("bun", "test")),
    ("deno-fast", ("deno", "test")),
    ("playwright-max", NPM),
    ("unittest-f", MAKE),
    ("ctest-stop", ("ctest",)),
    ("cargo-ff", ("cargo", "test")),
    ("nextest-cancelled", ("cargo", "nextest", "run")),
    # a package was not built, and one panicked
    ("go", MAKE),
    ("go-events-broken", ("go", "test", "./...")),
    ("cargo-build", ("cargo", "test")),
    # a file that cannot be parsed is not looked at further
    ("eslint", ("eslint", ".")),
]


@pytest.mark.parametrize(("sample", "argv"), BROKEN)
def test_a_run_that_broke_off_is_no_account(sample: str, argv: tuple[str, ...]) -> None:
    assert read_results(told(argv, sample)) is None


# tsc says nothing at its end; of output that was cut no results are read at all
@pytest.mark.parametrize("sample", [row[0] for row in WHOLE if row[0] != "tsc"])
def test_half_an_account_is_none(sample: str) -> None:
    argv = next(row[1] for row in WHOLE if row[0] == sample)
    whole = told(argv, sample)
    expected = read_results(whole)
    assert expected is not None
    for cut in (0.3, 0.6, 0.9):
        text = whole.output[: int(len(whole.output) * cut)]
        results = read_results(Told(argv, 1, text, whole.report))
        # what is cut may be an appendix; then all is there
        assert results is None or results.failed == expected.failed


# what a project's own files say, a sample of a script's run, and whether it can be believed
@pytest.mark.parametrize(
    ("file", "text", "sample", "believed"),
    [
        ("package.json", '{"scripts": {"test": "mocha --bail"}}', "mocha", False),
        (".mocharc.yml", "bail: true\n", "mocha", False),
        (".mocharc.yml", "bail: false\n", "mocha", True),
        ("jest.config.js", "module.exports = {bail: 1}", "jest", False),
        ("jest.config.js", "module.exports = {bail: 0}", "jest", True),
        ("vitest.config.ts", "export default {test: {bail: 3}}", "vitest", False),
        ("Makefile", "test:\n\tpytest -q -x\n", "pytest-make", False),
        ("pytest.ini", "[pytest]\naddopts = -x -q\n", "pytest-make", False),
        ("setup.cfg", "[tool:pytest]\naddopts = --maxfail=2\n", "pytest-make", False),
        ("Makefile", "test:\n\tset -x; pytest -q\n", "pytest-make", True),
        ("package.json", '{"scripts": {"test": "mocha"}}', "mocha", True),
        # in a part of the project
        ("packages/package.json", '{"jest": {"bail": true}}', "jest", False),
        ("app/build.gradle", "test { failFast = true }", "gradle", False),
        ("xunit.runner.json", '{"stopOnFail": true}', "dotnet", False),
    ],
)
def test_a_script_whose_project_stops_early_is_not_believed(
    tmp_path: Path, file: str, text: str, sample: str, believed: bool
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    results = read_results(told(MAKE, sample, folder=tmp_path))
    assert (results is not None) is believed


@pytest.mark.parametrize(("sample", "argv"), [row[:2] for row in WHOLE])
def test_a_run_with_a_whole_account_came_to_its_end(sample: str, argv: tuple[str, ...]) -> None:
    assert broken_off(told(argv, sample)) is None


def test_two_runners_in_one_output_are_not_told_apart() -> None:
    both = told(NPM, "jest").output + told(NPM, "mocha").output
    assert read_results(Told(NPM, 1, both, Path("none"))) is None


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (("pytest", "-x"), ("pytest", "-x", "--maxfail=0", "-rfE", "--junitxml=r.xml")),
        (("uv", "run", "pytest"), ("uv", "run", "pytest", "--maxfail=0", "-rfE", "--junitxml=r.xml")),
        (("poetry", "run", "python", "-m", "pytest"), ("poetry", "run", "python", "-m", "pytest", "--maxfail=0", "-rfE", "--junitxml=r.xml")),
        (("python", "-m", "unittest", "-f"), ("python", "-m", "unittest", "-v")),
        (("python", "-m", "unittest", "discover", "-s", "t"), ("python", "-m", "unittest", "discover", "-v", "-s", "t")),
        (("python", "manage.py", "test", "--failfast"), ("python", "manage.py", "test", "-v", "2")),
        (("go", "test", "-failfast", "./..."), ("go", "test", "-json", "-failfast=false", "./...")),
        (("cargo", "test", "--", "--nocapture"), ("cargo", "test", "--no-fail-fast", "--", "--nocapture")),
        (("cargo", "nextest", "run", "--fail-fast"), ("cargo", "nextest", "run", "--no-fail-fast")),
        (("npx", "jest", "--bail", "src"), ("npx", "jest", "--bail=0", "src")),
        (("npx", "vitest", "run"), ("npx", "vitest", "--bail=0", "run")),
        (("npx", "mocha", "-b"), ("npx", "mocha", "--no-bail")),
        (("npx", "playwright", "test", "-x"), ("npx", "playwright", "test", "--max-failures=0")),
        (("bundle", "exec", "rspec", "--fail-fast"), ("bundle", "exec", "rspec", "--no-fail-fast")),
        (("mvn", "-q", "test"), ("mvn", "-q", "test", "--fail-at-end", "-Dsurefire.skipAfterFailureCount=0")),
        (("./gradlew", "test"), ("./gradlew", "test", "--continue")),
        (("vendor/bin/phpunit", "--stop-on-failure"), ("vendor/bin/phpunit",)),
        (("ctest", "--stop-on-failure"), ("ctest",)),
        (("npm", "test"), ("npm", "test")),
        (("make", "test"), ("make", "test")),
    ],
)  # fmt: skip
def test_runners_are_asked_for_all_results(argv: tuple[str, ...], asked: tuple[str, ...]) -> None:
    assert ask(argv, Path("r.xml")) == asked


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_ok"/>
<testcase classname="tests.test_a" name="test_red"><failure message="x"/></testcase>
<testcase classname="tests.test_b" name="test_setup"><error message="x"/></testcase>
<testcase classname="tests.test_b" name="test_left"><skipped/></testcase>
</testsuite></testsuites>"""
SUBS = """<testsuites><testsuite><testcase classname="tests.test_a.A" name="test_s">
<failure message="1 != 0"/><failure message="2 != 0"/></testcase></testsuite></testsuites>"""
SUB = """<testsuites><testsuite><testcase classname="tests.test_a.A" name="test_s">
<failure message="1 != 0"/></testcase></testsuite></testsuites>"""


# exit status, report, what was printed, the tests that failed
@pytest.mark.parametrize(
    ("status", "report", "output", "failed"),
    [
        # failures and errors count, skips do not
        (1, JUNIT, "", {"tests.test_a::test_red", "tests.test_b::test_setup"}),
        # interrupted, its own fault, wrong usage, nothing collected
        (2, JUNIT, "", None),
        (3, JUNIT, "", None),
        (4, JUNIT, "", None),
        (5, JUNIT, "", None),
        # killed while it wrote
        (1, JUNIT[:80], "", None),
        (1, None, "", None),
        # stopped by the project itself, whatever by
        (1, JUNIT, "!!!!!!!! stopping after 1 failures !!!!!!!!", None),
        (1, JUNIT, "!!!! _pytest.outcomes.Exit: enough !!!!", None),
        # a module that could not be loaded has tests, too
        (1, JUNIT.replace('<error message="x"/>', '<error message="collection failure"/>'), "", None),
        # sub-tests keep their own names
        (
            1,
            SUBS,
            "SUBFAILED(i=1) tests/test_a.py::A::test_s - AssertionError: 1 != 0\n"
            "SUBFAILED(i=2) tests/test_a.py::A::test_s - AssertionError: 2 != 0\n",
            {"tests.test_a.A::test_s (i=1)", "tests.test_a.A::test_s (i=2)"},
        ),
        (
            1,
            SUB,
            "SUBFAILED[m] (i=1) tests/test_a.py::A::test_s - AssertionError: 1 != 0\n",
            {"tests.test_a.A::test_s [m] (i=1)"},
        ),
        # and where they are not named, at least their number
        (1, SUBS, "", {"tests.test_a.A::test_s (2 failures)"}),
    ],
)  # fmt: skip
def test_pytest(
    tmp_path: Path, status: int, report: str | None, output: str, failed: set[str] | None
) -> None:
    path = tmp_path / "r.xml"
    if report is not None:
        path.write_text(report)
    results = read_results(Told(("pytest", "-q"), status, output, path))
    assert (results and results.failed) == failed


@pytest.mark.parametrize(
    ("output", "failed"),
    [
        ("TAP version 13\nok 1 - a\nnot ok 2 - b\n1..2\n", {"b"}),
        # the plan may come first; what is to do or skipped is excused
        ("1..3\nnot ok 1 - a\nnot ok 2 - b # TODO later\nok 3 - c # SKIP\n", {"a"}),
        # sub-tests
        ("1..1\n    not ok 1 - a\n    ok 2 - b\n    1..2\nnot ok 1 - s\n", {"s > a"}),
        # broke off, here or one level down
        ("1..3\nnot ok 1 - a\n", None),
        ("1..1\n    not ok 1 - a\n    1..2\nnot ok 1 - s\n", None),
        ("1..2\nnot ok 1 - a\nBail out! no database\n", None),
        # no TAP at all
        ("ok then\nall is lost\n", None),
    ],
)
def test_tap(output: str, failed: set[str] | None) -> None:
    results = read_results(Told(NPM, 1, output, Path("none")))
    assert (results and results.failed) == failed


def test_wrapped_output_is_unwrapped() -> None:
    wrapped = '{"Action":"output","Output":"--- FAIL: TestX\\n"}\n# m/b\n'
    assert readable(("go", "test"), wrapped) == "--- FAIL: TestX\n# m/b\n"
    assert readable(("pytest",), wrapped) == wrapped


# the cause of a check that failed so
@pytest.mark.parametrize(
    ("sample", "cause"),
    [
        ("vitest", "assertion_failure"),
        ("jest", "assertion_failure"),
        ("mocha", "assertion_failure"),
        ("node-spec", "assertion_failure"),
        ("bun", "assertion_failure"),
        ("deno", "assertion_failure"),
        ("playwright", "type_error"),
        ("unittest", "assertion_failure"),
        ("cargo", "assertion_failure"),
        ("nextest", "assertion_failure"),
        ("gradle", "assertion_failure"),
        ("maven", "assertion_failure"),
        ("phpunit", "assertion_failure"),
        ("rspec", "assertion_failure"),
        ("ctest", "assertion_failure"),
        ("dotnet", "assertion_failure"),
        ("cargo-build", "import_error"),
        ("mypy", "type_error"),
        ("pyright", "type_error"),
        ("tsc", "import_error"),
        ("eslint", "lint_error"),
        ("ruff", "lint_error"),
    ],
)
def test_the_verdict_has_a_cause(sample: str, cause: str) -> None:
    assert classify_check(exit_status=1, output=told(NPM, sample).output, diff="+x").cause == cause


def test_what_was_not_built_was_not_collected() -> None:
    output = "# m/c [m/c.test]\nc/c_test.go:3:28: undefined: x\nFAIL\tm/c [build failed]\nFAIL\n"
    assert classify_check(exit_status=1, output=output, diff="+x").cause == "collection_error"


def test_every_runner_says_how_it_fails() -> None:
    assert len(runners()) >= 25
    for each in runners():
        assert each.name
        assert each.red
    assert saying("red").search("nothing of the kind") is None
