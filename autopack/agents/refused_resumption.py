"""A conversation that its program refuses to resume: an id is no proof that there is one.

The build is then made with a new conversation, at once and in the same attempt.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from autopack.agents.protocol import BuildRequest, BuildResult, BuildStatus, EndedBy
from autopack.files import safe_files
from autopack.process.exit_note import EXIT_NOTE

_MOST_BYTES = 65_536
_LONGEST = 200
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def why_refused(result: BuildResult, request: BuildRequest, output: str) -> str | None:
    """Return in which words the program refused the conversation; None when it did not.

    A program that refuses fails by itself before anything is asked or changed: it made no call,
    no provider answered, and it told of no session.
    """
    if request.resumes is None or result.calls or result.http_status is not None:
        return None
    if result.status is not BuildStatus.FAILED or result.ended_by is not EndedBy.BUILDER:
        return None
    if not result.exit_status:
        return None
    try:
        printed = safe_files.read_bytes(request.spool / output, most=_MOST_BYTES)
    except (OSError, ValueError):
        return None
    text = printed.decode(errors="replace")
    words = [line.strip() for line in text.splitlines() if not line.lstrip().startswith("{")]
    events = [line for line in text.splitlines() if line.lstrip().startswith("{")]
    if any('"type":"result"' not in line for line in events):
        return None  # it had begun
    said = next((word for word in words if word), result.summary)
    return f"{_plain(said)} (attempt {request.earlier})"


def without_conversation(request: BuildRequest, spent: float) -> BuildRequest:
    """Return the request for a new conversation, ``spent`` seconds later."""
    limits = request.limits
    if limits.seconds is not None:
        limits = replace(limits, seconds=max(limits.seconds - spent, 1.0))
    return replace(request, resumes=None, limits=limits)


def forget_start(spool: Path, output: str) -> None:
    """Remove what a program left that was started for nothing."""
    safe_files.remove(spool / EXIT_NOTE)
    safe_files.remove(spool / output)


def _plain(said: str) -> str:
    """Return a line as a person reads it: no colours, not long."""
    shown = "".join(c for c in _COLOURS.sub("", said) if c.isprintable())
    return shown[:_LONGEST].rstrip(".: ")
