# ruff: noqa: E501 - tables
"""The informative part of a log holds the failing test and its error, within its budget."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autopack.process.informative_excerpt import BUDGET, select

DATA = Path(__file__).parents[2] / "data"
LOGS = DATA / "errors/test_outputs"

# what passed, and what warned, before and after
NOISE = (
    "".join(f"tests/test_{n}.py::test_{n} PASSED [ 10%]\n" for n in range(400))
    + "".join(f"test tests::green_{n} ... ok\n" for n in range(200))
    + "".join(f"  ✓ shows item {n} (3 ms)\nok {n} - item {n}\n" for n in range(200))
    + "=============================== warnings summary ===============================\n"
    + "".join(f"  a.py:{n}: DeprecationWarning: SomeError: is old\n" for n in range(200))
    + "-- Docs: https://docs.pytest.org/en/stable/how-to/capture-warnings.html\n"
)
AFTER = "".join(f"--- PASS: TestGreen{n} (0.00s)\nok  \tm/p{n}\t0.01s\n" for n in range(600))

# log, the failing test, its error, and a line of the project that leads to it
RECORDED = [
    ("matplotlib__matplotlib-24627", "test_axes.py::test_cla_clears_children", "E            +  where"),
    ("pylint-dev__pylint-4551", "ERROR tests/unittest_pyreverse_writer.py", "cannot import name 'get_annotation'"),
    ("sphinx-doc__sphinx-7748", "signature_init", "At index 20 diff"),
    ("sympy__sympy-15875", "test_arit.py:test_Add_is_zero", "assert e.is_zero is None\nAssertionError"),
]  # fmt: skip

SAMPLES = [
    ("vitest", "a.test.js > outer > old red", "AssertionError: expected 1 to be 2"),
    ("jest", "● outer › old red", "Expected: 2"),
    ("mocha", "1) alone", "AssertionError [ERR_ASSERTION]"),
    ("node-spec", "✖ old red", "AssertionError [ERR_ASSERTION]: 1 == 2"),
    ("node-tap", "not ok 1 - old red", "error: '1 == 2'"),
    ("bun", "(fail) outer > old red", "error: expect(received).toBe(expected)"),
    ("deno", "old red ... FAILED", "error: Error: nope"),
    ("playwright", "a.spec.js:2:32 › outer › old red", "Error: expect(received).toBe"),
    ("unittest", "FAIL: test_old (test_a.A.test_old)", "AssertionError: 1 != 2"),
    ("go", "--- FAIL: TestOld/sub", "panic: assignment to entry in nil map"),
    ("cargo", "test tests::old ... FAILED", "panicked at src/lib.rs:3:24"),
    ("cargo-build", "could not compile `demo`", "error[E0432]: unresolved import `foo`"),
    ("nextest", "demo tests::old", "panicked at src/lib.rs:3:24"),
    ("gradle", "ATest > old() FAILED", "AssertionFailedError at ATest.java:7"),
    ("maven", "demo.ATest.old", "AssertionFailedError: expected: <1>"),
    ("phpunit", "1) Demo\\ATest::testErr", "RuntimeException: boom"),
    ("rspec", "rspec ./spec/a_spec.rb:2", "Failure/Error: expect(1 + 1).to eq 3"),
    ("ctest", "2 - old (Failed)", "tests failed out of 3"),
    ("dotnet", "Failed Demo.ATest.Old", "Assert.Equal() Failure"),
    ("pytest-make", "FAILED tests/test_a.py::test_old", "E       assert 1 == 2"),
    ("mypy", "p.py:2", "error: Incompatible types"),
    ("pyright", "p.py:2:10", "error: Type"),
    ("tsc", "a.ts(1,7)", "error TS2322"),
    ("eslint", "c.js", "'unused' is assigned a value but never used"),
    ("ruff-concise", "p.py:3:17", "F821 Undefined name"),
]


@pytest.mark.parametrize(("log", "test", "error"), RECORDED, ids=[row[0] for row in RECORDED])
@pytest.mark.parametrize("budget", [BUDGET, 2_000])
def test_of_recorded_logs(log: str, test: str, error: str, budget: int) -> None:
    selected = select((LOGS / f"{log}.txt").read_text(encoding="utf-8"), budget)
    assert len(selected.encode()) <= budget
    assert test in selected
    assert error in selected


@pytest.mark.parametrize(("sample", "test", "error"), SAMPLES, ids=[row[0] for row in SAMPLES])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_of_every_runner(sample: str, test: str, error: str, place: str) -> None:
    log = (DATA / f"results/{sample}.txt").read_text(encoding="utf-8")
    before, after = (NOISE, AFTER) if place == "middle" else ("", "")
    before, after = (before or NOISE * (place == "last"), after or AFTER * (place == "first"))
    selected = select(f"{before}{log}\n{after}")
    assert len(selected.encode()) <= BUDGET
    assert test in selected
    assert error in selected


# Runners that no toolchain of ours reads: what they print, and what of it has to be there.
OTHERS = [
    ('elixir', '..\n\n  1) test adds (CartTest)\n     test/cart_test.exs:5\n     Assertion with == failed\n     code:  assert Cart.total() == 3\n     left:  2\n     right: 3\n     stacktrace:\n       test/cart_test.exs:7: (test)\n\nFinished in 0.03 seconds\n3 tests, 1 failure\n', ('test adds (CartTest)', 'left:  2')),
    ('minitest', 'Run options: --seed 1\n\n# Running:\n..F\n\nFailure:\nCartTest#test_total [test/cart_test.rb:7]:\nExpected: 3\n  Actual: 2\n\nrails test test/cart_test.rb:5\n\n3 runs, 3 assertions, 1 failures, 0 errors, 0 skips\n', ('CartTest#test_total', 'Expected: 3', 'Actual: 2')),
    ('sbt', '[info] CartSpec:\n[info] - adds *** FAILED ***\n[info]   2 did not equal 3 (CartSpec.scala:8)\n[info] *** 1 TEST FAILED ***\n[error] Failed tests:\n[error] \tCartSpec\n', ('adds *** FAILED', '2 did not equal 3')),
    ('dart', '00:01 +2 -1: test/cart_test.dart: adds [E]\n  Expected: <3>\n    Actual: <2>\n  package:test_api expect\n  test/cart_test.dart 7:5  main.<fn>\n00:01 +2 -1: Some tests failed.\n', ('adds [E]', 'Expected: <3>')),
    ('busted', '●●◼\n2 successes / 1 failure / 0 errors / 0 pending : 0.002 seconds\n\nFailure → spec/cart_spec.lua @ 5\ncart adds\nspec/cart_spec.lua:7: Expected objects to be equal.\nPassed in:\n(number) 2\nExpected:\n(number) 3\n', ('cart_spec.lua', 'Expected objects')),
    ('bats', '1..3\nok 1 a\nnot ok 2 adds numbers\n# (in test file t.bats, line 5)\n#   `[ "$result" -eq 3 ]\' failed\nok 3 c\n', ('not ok 2 adds', 'failed')),
    ('haskell', 'Failures:\n\n  test/Spec.hs:10:7: \n  1) Cart adds numbers\n       expected: 3\n        but got: 2\n\nFinished in 0.0003 seconds\n3 examples, 1 failure\n', ('Cart adds', 'expected: 3')),
    ('swift', 'Test Suite \'All tests\' started\n/p/Tests/ATests.swift:12: error: ATests.testOld : XCTAssertEqual failed: ("2") is not equal to ("3")\nTest Case \'ATests.testOld\' failed (0.001 seconds)\nExecuted 3 tests, with 1 failure (0 unexpected) in 0.01 seconds\n', ('ATests.testOld', 'XCTAssertEqual failed')),
    ('googletest', '[==========] Running 3 tests from 1 test suite.\n[ RUN      ] Cart.Total\n/p/cart_test.cc:12: Failure\nExpected equality of these values:\n  total()\n    Which is: 2\n  3\n[  FAILED  ] Cart.Total (0 ms)\n[ RUN      ] Cart.Ok\n[       OK ] Cart.Ok (0 ms)\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Cart.Total\n', ('Cart.Total', 'Which is: 2', 'cart_test.cc:12')),
    ('karma', 'Chrome Headless 120 (Linux) Cart adds FAILED\n\tError: Expected 2 to be 3.\n\t    at <Jasmine>\n\t    at UserContext.apply (src/cart.spec.ts:7:25)\nChrome Headless 120 (Linux): Executed 3 of 3 (1 FAILED) (0.01 secs)\n', ('Cart adds FAILED', 'Expected 2 to be 3')),
    ('pest', '   FAIL  Tests\\Unit\\CartTest\n  ⨯ it adds\n  ────────\n   FAILED  Tests\\Unit\\CartTest > it adds\n  Failed asserting that 2 is identical to 3.\n\n  at tests/Unit/CartTest.php:6\n  Tests:    1 failed, 2 passed (3 assertions)\n', ('it adds', 'Failed asserting')),
]  # fmt: skip


@pytest.mark.parametrize(("name", "printed", "telling"), OTHERS)
def test_of_runners_that_nobody_reads(name: str, printed: str, telling: tuple[str, ...]) -> None:
    before = "".join(f"DEBUG  worker {n} took item {n * 7}\n" for n in range(600))
    after = "".join(f"INFO  uploading part {n}\n" for n in range(600))
    found = select(f"{before}{printed}\n{after}")
    assert [each for each in telling if each not in found] == []


def test_the_first_error_comes_before_the_last() -> None:
    errors = "".join(
        f"____ test_{n} ____\n    a\n    b\nE   ValueError: number {n}\n\na.py:{n}: ValueError\n"
        for n in range(500)
    )
    selected = select(errors)
    assert "ValueError: number 0" in selected
    assert selected.index("ValueError: number 0") < selected.index("ValueError: number 1\n")
    assert "more" in selected


def test_frames_of_libraries_are_left_out() -> None:
    library = (
        'Traceback (most recent call last):\n  File "/x/app/views.py", line 3, in f\n    g()\n'
    )
    library += '  File "/x/site-packages/django/y.py", line 9, in h\n    inner_call()\n' * 60
    selected = select(f"{NOISE}{library}ValueError: bad\n")
    assert "app/views.py" in selected
    assert "ValueError: bad" in selected
    assert "site-packages" not in selected
    assert "inner_call" not in selected


def test_escape_codes_and_noise_are_gone() -> None:
    selected = select(f"\x1b[31mE   ValueError: red\x1b[0m\r\n{NOISE}")
    assert "\x1b" not in selected
    assert "PASSED" not in selected
    assert "DeprecationWarning" not in selected
    assert "E   ValueError: red" in selected


@pytest.mark.parametrize("budget", [50, 200, 1_000, BUDGET])
@pytest.mark.parametrize("log", [NOISE + "x" * 100_000, "é" * 20_000, "a\n" * 30_000, "", "\n\n"])
def test_it_keeps_its_budget(log: str, budget: int) -> None:
    assert len(select(log, budget).encode()) <= budget


def test_without_an_error_the_end_is_shown() -> None:
    log = "".join(f"step {n} of the build\n" for n in range(5_000))
    assert select(log).endswith("step 4999 of the build")


def test_a_short_log_is_shown_whole() -> None:
    assert select("lint: 3 problems\n") == "lint: 3 problems"


def test_a_selection_selects_itself() -> None:
    selected = select((LOGS / "sphinx-doc__sphinx-7748.txt").read_text(encoding="utf-8"))
    assert select(selected) == selected.strip()


def test_two_megabytes_take_little_time() -> None:
    began = time.process_time()
    select(
        "E " * 1_000 + "\n" + "0123456789 error of nobody in particular " * 20_000 + "y\n" * 500_000
    )
    assert time.process_time() - began < 15
