"""Which tests failed, as runners tell it; nothing when that does not explain the failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from autopack.validation.results import failed_tests, readable, reporting

PYTEST = ("python", "-m", "pytest", "-q")
GO = ("go", "test", "./...")
NPM = ("npm", "test")

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_ok"/>
<testcase classname="tests.test_a" name="test_red"><failure message="x"/></testcase>
<testcase classname="tests.test_b" name="test_setup"><error message="x"/></testcase>
<testcase classname="tests.test_b" name="test_left"><skipped/></testcase>
</testsuite></testsuites>"""


def go(*events: str) -> str:
    return "\n".join("{" + event + "}" for event in events)


def test_runners_are_asked_for_results() -> None:
    report = Path("/x/r.xml")
    assert reporting(PYTEST, report) == (*PYTEST, "--junitxml=/x/r.xml")
    assert reporting(GO, report) == ("go", "test", "-json", "./...")
    assert reporting(NPM, report) == NPM


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        # failures and errors count, skips do not
        (1, JUNIT, {"tests.test_a::test_red", "tests.test_b::test_setup"}),
        # collection broke off: the other tests were not run
        (2, JUNIT, None),
        # killed while it wrote
        (1, JUNIT[:80], None),
        (1, None, None),
    ],
)
def test_pytest(tmp_path: Path, status: int, text: str | None, expected: set[str] | None) -> None:
    report = tmp_path / "r.xml"
    if text is not None:
        report.write_text(text)
    assert failed_tests(PYTEST, status, report, "") == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            go(
                '"Action":"fail","Package":"m/a","Test":"TestX"',
                '"Action":"pass","Package":"m/b","Test":"TestY"',
                '"Action":"fail","Package":"m/a"',
            ),
            {"m/a::TestX"},
        ),
        # a package that failed without a test did not build, or panicked
        (
            go(
                '"Action":"fail","Package":"m/a","Test":"TestX"',
                '"Action":"fail","Package":"m/a"',
                '"Action":"fail","Package":"m/b"',
            ),
            None,
        ),
        ("not json", None),
    ],
)
def test_go(output: str, expected: set[str] | None) -> None:
    assert failed_tests(GO, 1, Path("none"), output) == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("TAP version 13\nok 1 - a\nnot ok 2 - b\n1..2\n", {"b"}),
        # the plan may come first; what is to do or skipped is excused
        ("1..3\nnot ok 1 - a\nnot ok 2 - b # TODO later\nok 3 - c # SKIP\n", {"a"}),
        # broke off
        ("1..3\nnot ok 1 - a\n", None),
        ("1..2\nnot ok 1 - a\nBail out! no database\n", None),
        # no TAP at all
        ("ok then\nall is lost\n", None),
    ],
)
def test_tap(output: str, expected: set[str] | None) -> None:
    assert failed_tests(NPM, 1, Path("none"), output) == expected


def test_wrapped_output_is_unwrapped() -> None:
    wrapped = go('"Action":"output","Output":"--- FAIL: TestX\\n"') + "\n# m/b\n"
    assert readable(GO, wrapped) == "--- FAIL: TestX\n# m/b\n"
    assert readable(PYTEST, wrapped) == wrapped
