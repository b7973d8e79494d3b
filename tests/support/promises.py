"""What a session of tests says at its end of the promises in docs/security.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "security.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_UNPROVED = "nothing was proved"


def named_tests() -> set[tuple[str, str]]:
    """The tests that the page names, each by its file and function."""
    return set(_NAMED.findall(PAGE.read_text(encoding="utf-8")))


def is_whole(config: pytest.Config) -> bool:
    """Whether all tests were asked for."""
    chosen = (config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "deselect"))
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not any(chosen)


def missing(session: pytest.Session) -> list[str]:
    """The tests that the page names and that a whole session did not come to."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(session.config, "workerinput") or reporter is None or not is_whole(session.config):
        return []
    reports = [report for listed in reporter.stats.values() for report in listed]
    names = [getattr(report, "nodeid", "").split("::") for report in reports]
    seen = {(parts[0], parts[-1].partition("[")[0]) for parts in names}
    return [f"{file}::{name}" for file, name in sorted(named_tests() - seen)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole session that did not run a test which the page names."""
    session.config.stash[_MISSING] = missing(session)
    if session.config.stash[_MISSING] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say loudly what was not shown."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    unproved = sorted({reason for reason in skipped if _UNPROVED in reason})
    if unproved:
        terminalreporter.section("WARNING: promises of docs/security.md that were not shown")
    for reason in unproved:
        terminalreporter.line(reason)
    if config.stash.get(_MISSING, []):
        terminalreporter.section("ERROR: tests that docs/security.md names did not run")
    for name in config.stash.get(_MISSING, []):
        terminalreporter.line(name)


_MISSING = pytest.StashKey[list[str]]()
