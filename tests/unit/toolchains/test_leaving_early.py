# ruff: noqa: E501 - a table
"""What is tested can leave its process with status 0: such a success is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autopack.environments.checks import FailedCheck, run_checks
from autopack.model.commands import Check
from autopack.process.supervisor import Supervisor
from autopack.toolchains.runners import Told, broken_off

NPM = ("npm", "test")
MAKE = ("make", "test")

# The program under test left its process with status 0, so that the command succeeded.
LEFT = [
    (("pytest", "-q"), "."),
    (("python", "-m", "pytest"), ""),
    (("sh", "-c", "A=1 exec python -m pytest -q tests"), "."),
    (("python", "-m", "pytest", "-q"), "a.py:3: DeprecationWarning: is old\n"),  # on stderr
    (MAKE, "===== test session starts =====\ncollected 3 items\n\ntest_a.py ."),
    (("pytest", "-q"), "!!!!!!! _pytest.outcomes.Exit: done !!!!!!!\n1 passed in 0.01s\n"),
    (("python", "-m", "unittest", "discover"), ".."),
    (("python", "manage.py", "test"), "Found 3 test(s).\nSystem check identified no issues (0 silenced).\n."),
    (("cargo", "test"), "running 2 tests\ntest a ... ok\n"),
    (MAKE, "running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed;\n\nrunning 4 tests\n"),
    (NPM, '  ●  process.exit called with "0"\n\n      1 | process.exit(0)\n'),
    (NPM, "> mocha\n\n\n  outer\n    ✔ one\n"),
    (("bun", "test"), "bun test v1.2.2 (c1708ea6)\n\na.test.js:\n(pass) one\n"),
    (("vendor/bin/phpunit",), "PHPUnit 10.5.1 by Sebastian Bergmann and contributors.\n\nRuntime:       PHP 8.2.1\n\n."),
    (("bundle", "exec", "rspec"), "Randomized with seed 12\n.."),
]  # fmt: skip
# Runs that came to their end, and what is no run of tests at all.
ENDED = [
    (("pytest", "-q"), "...  [100%]\n3 passed in 0.01s\n"),
    (("pytest", "-qq"), "...                             [100%]\n"),
    (("python", "-m", "pytest"), "===== test session starts =====\n\n===== 3 passed, 1 warning in 65.03s (0:01:05) =====\n"),
    (("pytest", "--version"), "pytest 9.2.0\n"),
    (("pytest", "--collect-only", "-qq"), "test_a.py: 2\n"),
    (("pytest", "-p", "no:terminal"), ""),
    (("pytest", "-qq", "-o", "console_output_style=classic"), "...\n"),
    (("pytest", "-qq", "-o", "console_output_style=count"), "... [3/3]\n"),
    (MAKE, "===== test session starts =====\n===== 1 passed in 0.01s =====\n" * 2),
    (("python", "-m", "unittest"), "...\n-----\nRan 3 tests in 0.001s\n\nOK\n"),
    (("python", "manage.py", "test"), "Found 1 test(s).\n.\n-----\nRan 1 test in 0.001s\n\nOK\n"),
    (("cargo", "test"), "running 0 tests\n\ntest result: ok. 0 passed; 0 failed;\n"),
    (NPM, "> mocha\n\n\n  outer\n    ✔ one\n\n\n  1 passing (3ms)\n"),
    (NPM, "> ava\n\n  ✔ one\n  ─\n\n  1 test passed\n"),
    (("bun", "test"), "bun test v1.2.2 (c1708ea6)\n\n 1 pass\nRan 1 test across 1 file. [5.00ms]\n"),
    (("vendor/bin/phpunit", "--version"), "PHPUnit 10.5.1 by Sebastian Bergmann and contributors.\n"),
    (("vendor/bin/phpunit",), "PHPUnit 10.5.1 by Sebastian Bergmann and contributors.\n\nRuntime:       PHP 8.2.1\n\n.   1 / 1 (100%)\n\nOK (1 test, 1 assertion)\n"),
    (("bundle", "exec", "rspec"), "..\n\nFinished in 0.1 seconds\n2 examples, 0 failures\n"),
    (("sh", "-c", "pytest -q > log"), ""),
    (("sh", "-c", "pytest -q || true"), ""),
    (("sh", "-c", "echo 'pytest"), ""),
    (MAKE, "cc -o x x.c\n"),
    (MAKE, ""),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "output"), LEFT)
def test_a_success_before_the_end_is_none(argv: tuple[str, ...], output: str) -> None:
    assert broken_off(Told(argv, 0, output, Path("no-report"))) is not None


@pytest.mark.parametrize(("argv", "output"), ENDED)
def test_a_success_is_one(argv: tuple[str, ...], output: str) -> None:
    assert broken_off(Told(argv, 0, output, Path("no-report"))) is None


@pytest.mark.parametrize("argv", [("python", "-m", "pytest", "-q"), ("python", "-m", "unittest")])
@pytest.mark.parametrize("asked", [True, False])
async def test_tests_that_leave_their_process_do_not_pass(
    tmp_path: Path, argv: tuple[str, ...], asked: bool
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/test_a.py").write_text(
        "import os, unittest\nclass A(unittest.TestCase):\n    def test_a(self): pass\n"
        "    def test_b(self): os._exit(0)\n    def test_c(self): assert 0\n"
    )

    async def nothing(_: FailedCheck) -> str:
        return ""

    failed = await run_checks(
        [Check(".", (sys.executable, *argv[1:]))],
        workspace=tmp_path / "work",
        environment={"PATH": os.environ["PATH"]},
        supervisor=Supervisor(),
        spool=tmp_path / "validation.log",
        seconds=120,
        ignore=nothing if asked else None,
    )
    assert failed is not None
    assert "ended before its tests did" in failed.message
