"""What a doctor is told: the real error, the last diff, the history and the goal, bounded."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from autopack.model.causes import Failure
from autopack.model.commands import (
    Command,
)

ERROR_BYTES = 6_000
LOG_BYTES = 3_000
DIFF_BYTES = 6_000
INSTRUCTIONS_BYTES = 2_000
LINE_BYTES = 300
MOST_LINES = 20


@dataclass(frozen=True)
class Case:
    """Everything about a failing phase that a doctor may see, before it is bounded.

    ``history`` has one line an earlier attempt; ``commits`` what a rollback may choose, oldest
    first, each with what it completed; ``allowed`` what execute_fix may run.
    """

    goal: str
    instructions: str
    failure: Failure
    diff: str
    history: Sequence[str]
    commits: Sequence[tuple[str, str]]
    allowed: Sequence[Command]


def question(case: Case) -> str:
    """Return the question, at most some 20 KB of it."""
    failure = case.failure
    parts = [
        _part("Goal", case.goal),
        _part("Instructions of the phase", _head(case.instructions, INSTRUCTIONS_BYTES)),
        _part("Failure", f"{failure.cause.value}: {_head(failure.message, LINE_BYTES)}"),
        _part("End of the error", _tail(failure.output, ERROR_BYTES)),
        _part("Beginning of the log", _head(failure.log, LOG_BYTES)),
        _part("The change so far", _head(case.diff, DIFF_BYTES)),
        _part("Earlier attempts", _lines(case.history)),
        _part(
            "Commits to roll back to",
            _lines([f"{commit[:12]} {what}" for commit, what in case.commits]),
        ),
        _part("Commands that execute_fix may run", _lines([shlex.join(c) for c in case.allowed])),
    ]
    return "\n\n".join(part for part in parts if part)


def _part(title: str, text: str) -> str:
    return f"# {title}\n{text.strip()}" if text.strip() else ""


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(
        f"- {_head(' '.join(line.split()), LINE_BYTES)}" for line in lines[-MOST_LINES:]
    )


def _head(text: str, size: int) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= size else data[:size].decode("utf-8", "ignore") + "\n[…]"


def _tail(text: str, size: int) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= size else "[…]\n" + data[-size:].decode("utf-8", "ignore")
