"""A file of the project cannot be read, written or run because of its permission bits.

Not this: permissions of accounts, databases, keys and ports, which no chmod can fix.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

from autopack.repair.patterns.failure_pattern import (
    AddMode,
    Evidence,
    Match,
    Proposal,
)
from autopack.repair.patterns.worktree_files import relative_to_root

_CALLS = "open|mkdir|unlink|rename|rmdir|scandir|access|copyfile|chmod|symlink|spawn|stat|lstat"
_FILE = re.compile(
    # node: EACCES: permission denied, open '/x'
    r"\b(?:EACCES: permission denied|EPERM: operation not permitted), "
    rf"(?:{_CALLS})(?: ['\"](?P<node>[^'\"\n]{{1,500}})['\"]| (?P<spawn>[^\s'\"]{{1,500}}))"
    # python: PermissionError: [Errno 13] Permission denied: '/x'
    r"|^(?:E[ ]{1,12}|(?:FAILED|ERROR) [^\n]{1,300}? - |[ \t]{0,8})PermissionError: "
    r"\[(?:Errno 1?[13]|WinError 5)\] [^\n:]{1,60}: b?['\"](?P<py>[^'\"\n]{1,500})['\"]"
    # a shell: sh: 1: ./run.sh: Permission denied
    r"|^[^\s:]{0,100}sh: (?:(?:line )?\d{1,6}: )?(?P<sh>[^\s:]{1,400}): Permission denied$"
    # Autopack's own words for a check that may not be run
    r"|^(?P<started>[^\s:]{1,400}): cannot be started: Permission denied$"
    # programs: cp: cannot create regular file 'x': Permission denied
    r"|^[\w.-]{1,40}: (?:cannot|can't|could not|unable to) [\w ]{1,60} "
    r"['\"`\u2018](?P<tool>[^'\"`\u2018\u2019\n]{1,400})['\"\u2019]: Permission denied$"
    # git, make, go and others: error: open("x"): Permission denied
    r"|^(?:error|fatal|make|go|open|fork/exec)(?:: | )(?P<other>[^\n]{1,400}): "
    r"[Pp]ermission denied$",
    re.MULTILINE,
)
_QUOTES = "'\"`()"
_LISTENING = re.compile(r"\blisten EACCES\b|\bsocket\.bind\b|\.bind\(")
_READ, _WRITE, _EXECUTE = stat.S_IRUSR, stat.S_IWUSR, stat.S_IXUSR


class PermissionDenied:
    """EACCES or EPERM on a file or folder."""

    pattern_id = "permission_error"
    priority = 4
    summary = "a file may not be read, written or run: add the bits to the project's own files"

    def detect(self, evidence: Evidence) -> Match | None:
        found = _denied(evidence.text)
        return Match(self.pattern_id, self.priority, {"path": found}) if found else None

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        reported = match.captured["path"]
        own = _own(evidence, reported)
        if own is None or evidence.root is None:
            advice = f"{reported} is not a file of this worktree: change its permissions by hand"
            return Proposal(self.pattern_id, suggestions=(advice,))
        modes = tuple(
            AddMode(path, bits)
            for path, bits in _wanted(evidence.root, own, run=_was_run(evidence, reported))
            if not _has(evidence.root / path, bits)
        )
        if modes:
            return Proposal(self.pattern_id, add_modes=modes)
        advice = f"{own} already has the usual permissions: look at its owner and its folder"
        return Proposal(self.pattern_id, suggestions=(advice,))


def _denied(text: str) -> str | None:
    if "ermission denied" not in text and "EPERM" not in text and "WinError 5" not in text:
        return None
    for found in _FILE.finditer(text):
        words = next(value for value in found.groupdict().values() if value)
        path = words.split()[-1].removeprefix("open(").strip(_QUOTES) if found["other"] else words
        if path and not _LISTENING.search(text, max(0, found.start() - 200), found.end()):
            return path
    return None


def _own(evidence: Evidence, reported: str) -> str | None:
    """Return the reported path below the root, if it is there or its folder is; links never
    count.
    """
    if evidence.root is None:
        return None
    started_in = evidence.root / (evidence.failed.path if evidence.failed else ".")
    path = relative_to_root(evidence.root, str(started_in / reported))
    if path in (None, ".") or ".git" in Path(path).parts:
        return None
    place = evidence.root / path
    if place.is_symlink() or not place.parent.resolve().is_relative_to(evidence.root.resolve()):
        return None
    return path if place.exists() or place.parent.is_dir() else None


def _wanted(root: Path, path: str, *, run: bool) -> list[tuple[str, int]]:
    """Return the bits that the file and its folder need: the folder's, since new files are made in
    it.
    """
    place = root / path
    if not place.exists():
        return [(Path(path).parent.as_posix(), _READ | _WRITE | _EXECUTE)]
    if place.is_dir():
        return [(path, _READ | _WRITE | _EXECUTE)]
    return [(path, _READ | _EXECUTE if run else _READ | _WRITE)]


def _was_run(evidence: Evidence, reported: str) -> bool:
    """Return whether the file was to be run: a shell said so, exit 126, or it is the command
    itself.
    """
    started = evidence.failed.argv[:1] if evidence.failed else ()
    by_shell = re.search(
        r"sh: (?:(?:line )?\d{1,6}: )?" + re.escape(reported) + ": Permission denied", evidence.text
    )
    spawned = f"spawn {reported}" in evidence.text or f"fork/exec {reported}" in evidence.text
    return evidence.exit_status == 126 or reported in started or bool(by_shell) or spawned


def _has(place: Path, bits: int) -> bool:
    return place.stat().st_mode & bits == bits
