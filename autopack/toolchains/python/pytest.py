"""pytest: JUnit XML where it can be asked for it, else its short summary."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from autopack.files import safe_files
from autopack.model.commands import (
    Command,
)
from autopack.toolchains.runner import Results, Runner, Told

_TESTS_FAILED = 1
_MOST_BYTES = 64 * 1024 * 1024

# "!!!! stopping after 1 failures !!!!", "!!!! Interrupted: ... !!!!", "!!!! Exit: ... !!!!"
_BROKE_OFF = re.compile(r"^!{3,} .+ !{3,}$", re.MULTILINE)
_SUMMARY_LINE = re.compile(r"^(FAILED|ERROR|SUBFAIL(?:ED)?)(.*)$", re.MULTILINE)
_LAST_LINE = re.compile(
    r"^=*[ ]?((?:\d+ [a-z]+(?: [a-z]+)?(?:, )?)+) in \d[\d.]*s(?: \([\d:]+\))?[ ]?=*$",
    re.MULTILINE,
)
# The last line, progress that came to its end, or a reporter of another kind.
_TOLD = re.compile(
    r"\b(?:passed|skipped|xfailed|xpassed|deselected|collected|no tests ran)\b|\[ *100%\]"
    r"|\[ *(\d+)/ *\1\]|(?:\A|\n)[.sxXFE]+\n"
)
_TELLS_ONLY = frozenset(
    {
        *("-h", "--help", "-V", "--version", "--fixtures", "--funcargs", "--markers"),
        *("--cache-show", "--collect-only", "--co", "no:terminal"),
    }
)
_COUNTED = ("failed", "passed", "skipped", "xfailed", "xpassed", "error", "errors")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")


class Pytest(Runner):
    name = "pytest"
    programs = ("pytest", "py.test")
    marker = re.compile(r"^=+ short test summary info =+$", re.MULTILINE)
    red = (
        r"^(?:FAILED|ERROR) \S+",
        r"^SUBFAIL(?:ED)?\b",
        r"^=*[^\n=]{0,40}\b[1-9]\d{0,6} (?:failed|errors?)\b[^\n]{0,120} in \d",
    )
    uncollected = (
        r"\berrors? during collection\b",
        r"^_{3,}[ ]ERROR collecting ",
        r"\bImportError while (?:importing test module|loading conftest)\b",
        r"\bcollected 0 items\b|^=*[ ]?no tests ran in \d",
    )
    opens = re.compile(r"^=+ test session starts =+$", re.MULTILINE)
    closes = re.compile(r"^=+ [^\n=]+ in \d[\d.]*s\b[^\n]*$", re.MULTILINE)

    def ask(self, argv: Command, report: Path) -> Command:
        """The last of equal options counts, so these beat ``addopts``."""
        return (*argv, "--maxfail=0", "-rfE", _report(report))

    def broke_off(self, told: Told) -> bool:
        """Say so also where ``pytest.exit`` ended it, where the report that it writes at its end
        is not there, and where it has told nothing at all: what it had not yet written out is lost.
        """
        if super().broke_off(told):
            return True
        if not self.starts(told.argv) or not _TELLS_ONLY.isdisjoint(told.argv):
            return False
        if _report(told.report) in told.argv and not safe_files.is_file(told.report):
            return True
        return bool(_BROKE_OFF.search(told.output)) or not _TOLD.search(told.output)

    def results(self, told: Told) -> Results | None:
        if told.status != _TESTS_FAILED or _BROKE_OFF.search(told.output):
            # Interrupted, a fault of its own, nothing collected: the others were not run.
            return None if self.starts(told.argv) else _in_words(told.output)
        return _of_report(told) if self.starts(told.argv) else _in_words(told.output)


def _report(report: Path) -> str:
    return f"--junitxml={report}"


def _of_report(told: Told) -> Results | None:
    try:
        text = safe_files.read_bytes(told.report, most=_MOST_BYTES)
        root = ElementTree.fromstring(text)  # noqa: S314 - expat refuses entity bombs
    except (OSError, ElementTree.ParseError):
        return None
    parts = _failed_parts(told.output)
    failed: set[str] = set()
    ran: set[str] = set()
    for case in root.iter("testcase"):
        test = _ADDRESS.sub("0x", f"{case.get('classname', '')}::{case.get('name', '')}")
        ran.add(test)
        wrong = [each for each in case if each.tag in ("failure", "error")]
        if any(each.get("message") == "collection failure" for each in wrong):
            return None
        if not wrong:
            continue
        if len(wrong) == 1 and test not in parts:
            failed.add(test)
        elif len(parts[test]) in (len(wrong), len(wrong) - 1):
            failed |= {f"{test} {part}".strip() for part in parts[test]}
        else:
            failed.add(f"{test} ({len(wrong)} failures)")
    return Results(frozenset(failed), frozenset(ran), len(ran)) if failed else None


def _failed_parts(output: str) -> defaultdict[str, set[str]]:
    """Return the sub-tests that failed, by their test; the report calls all of them like it."""
    parts: defaultdict[str, set[str]] = defaultdict(set)
    for kind, rest in _SUMMARY_LINE.findall(output):
        if not kind.startswith("SUB"):
            continue
        name, _, _ = rest.partition(" - ")
        found = re.fullmatch(r"(?P<part>.*?)\s?(?P<path>\S+\.py(?:::\S.*)?)", name)
        if found:
            parts[_as_in_report(found["path"])].add(found["part"].strip())
    return parts


def _as_in_report(node: str) -> str:
    plain, bracket, parameters = node.partition("[")
    path, *names = plain.split("::")
    classname = ".".join([path.removesuffix(".py").replace("/", "."), *names[:-1]])
    return f"{classname}::{names[-1] if names else ''}{bracket}{parameters}"


def _in_words(output: str) -> Results | None:
    """Read what a script's run of pytest printed, when that was one whole run."""
    if _BROKE_OFF.search(output) or len(re.findall(r"^=+ test session starts", output, re.M)) > 1:
        return None
    last = _LAST_LINE.findall(output)
    if len(last) != 1:
        return None
    counts = {word: int(count) for count, word in re.findall(r"(\d+) ([a-z]+)", last[0])}
    said = [kind + rest.partition(" - ")[0] for kind, rest in _SUMMARY_LINE.findall(output)]
    wrong = sum(counts.get(word, 0) for word in ("failed", "error", "errors"))
    if not said or len(said) != wrong or any(one.startswith("ERROR collecting") for one in said):
        return None
    count = sum(counts.get(word, 0) for word in _COUNTED)
    return Results(frozenset(_ADDRESS.sub("0x", one) for one in said), None, count)


RUNNER = Pytest()
