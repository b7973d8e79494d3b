"""A command, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass

Command = tuple[str, ...]
"""A program and its arguments; it is run without a shell."""


@dataclass(frozen=True)
class Check:
    """A command and the folder it runs in, relative to the repository."""

    path: str
    argv: Command
