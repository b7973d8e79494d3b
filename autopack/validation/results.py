"""Results per test: asked of the runners that can give them, and read from what they wrote.

JUnit XML of pytest, the JSON lines of ``go test``, and TAP on standard output. A result is used
only when it accounts for the whole failure: a run that broke off, or a package that did not
build, says nothing about the tests that it did not come to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from autopack import safe_files
from autopack.plan.values import Command

_MOST_BYTES = 64 * 1024 * 1024
_PYTEST_TESTS_FAILED = 1

_TAP = re.compile(r"^(?P<not>not )?ok\b(?: (?P<number>\d+))?(?: -)?(?P<name>[^\n#]*)(?P<rest>.*)$")


def reporting(argv: Command, report: Path) -> Command:
    """The command, made to write its results to ``report`` or as JSON where it can do that."""
    if _is_pytest(argv):
        return (*argv, f"--junitxml={report}")
    if _is_go_test(argv) and "-json" not in argv:
        return (*argv[:2], "-json", *argv[2:])
    return argv


def failed_tests(
    argv: Command, status: int | None, report: Path, output: str
) -> frozenset[str] | None:
    """The tests that failed; None when the results do not account for the failed command."""
    if _is_pytest(argv):
        found = _junit(report) if status == _PYTEST_TESTS_FAILED else None
    elif _is_go_test(argv):
        found = _go(output)
    else:
        found = _tap(output)
    return found or None


def readable(argv: Command, output: str) -> str:
    """``output`` as a person reads it: what ``go test -json`` wrapped is unwrapped."""
    if not _is_go_test(argv):
        return output
    return "".join(
        event.get("Output", "") if isinstance(event, dict) else line + "\n"
        for line, event in _json_lines(output)
    )


def _is_pytest(argv: Command) -> bool:
    return any(PurePosixPath(word).stem == "pytest" for word in argv[:3])


def _is_go_test(argv: Command) -> bool:
    return argv[:2] == ("go", "test")


def _junit(report: Path) -> frozenset[str] | None:
    try:
        text = safe_files.read_bytes(report, most=_MOST_BYTES)
        root = ElementTree.fromstring(text)  # noqa: S314 - expat refuses entity bombs
    except (OSError, ElementTree.ParseError):
        return None
    return frozenset(
        f"{case.get('classname', '')}::{case.get('name', '')}"
        for case in root.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    )


def _go(output: str) -> frozenset[str] | None:
    tests: set[str] = set()
    packages: set[str] = set()
    explained: set[str] = set()
    for _, event in _json_lines(output):
        if not isinstance(event, dict) or event.get("Action") not in ("fail", "build-fail"):
            continue
        package, test = str(event.get("Package", event.get("ImportPath", ""))), event.get("Test")
        if test:
            tests.add(f"{package}::{test}")
            explained.add(package)
        else:
            packages.add(package)
    return frozenset(tests) if packages <= explained else None


def _json_lines(output: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for line in output.splitlines():
        try:
            event: Any = json.loads(line)
        except ValueError:
            event = None
        yield line, event if isinstance(event, dict) else None


def _tap(output: str) -> frozenset[str] | None:
    """The failed tests of a TAP stream that ran to its end; tests below others have their path."""
    planned: int | None = None
    seen = 0
    failed: set[str] = set()
    for line in output.splitlines():
        if line.startswith("Bail out!"):
            return None
        plan = re.fullmatch(r"1\.\.(\d+)(?: *#.*)?", line)
        if plan:
            planned = int(plan[1])
            continue
        found = _TAP.match(line)
        if found:
            seen += 1
            excused = re.match(r"\s*#\s*(?:todo|skip)", found["rest"], re.IGNORECASE)
            if found["not"] and not excused:
                failed.add(found["name"].strip() or str(found["number"] or seen))
    return frozenset(failed) if planned == seen and seen else None
