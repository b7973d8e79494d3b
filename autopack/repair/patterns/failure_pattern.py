"""What a failure pattern is: it recognises a failure and proposes what would fix it.

Patterns only compute. The caller carries a proposal out, records it and undoes it when it does not
help lives elsewhere, so a pattern of a user's own is a small class over plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

from autopack.model.causes import FailureCause
from autopack.model.commands import Check, Command
from autopack.model.excerpt import excerpt
from autopack.toolchains.toolchain import (
    Detected,
)
from autopack.toolchains.tree import Tree


@dataclass(frozen=True)
class Evidence:
    """Everything a pattern may look at.

    ``output`` is what the failed command printed; ``failed`` the command and its folder;
    ``root`` the worktree, which is only read; ``changed`` the files that the attempt changed.
    ``scope`` (empty or None for the whole tree) and ``read_only`` are the phase's patterns, as
    ``autopack.workspace.scope`` reads them; ``detected`` the toolchains of the repository, best
    first; ``cause`` what the failure was classified as. Paths are posix and relative to ``root``.
    Whatever is unknown stays empty.
    """

    output: str
    exit_status: int | None = None
    failed: Check | None = None
    root: Path | None = None
    changed: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = None
    read_only: tuple[str, ...] = ()
    detected: tuple[Detected, ...] = ()
    cause: FailureCause | None = None

    @cached_property
    def text(self) -> str:
        """The bounded head and tail of ``output``; the only part that detection reads."""
        return excerpt(self.output)

    @cached_property
    def tree(self) -> Tree | None:
        """The files and folders of the worktree, looked at once."""
        return Tree.scan(self.root) if self.root else None


@dataclass(frozen=True)
class Match:
    """A pattern recognised the failure; ``captured`` names what it found, for people."""

    pattern_id: str
    priority: int
    captured: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class AddMode:
    """Permission bits to add to a file or folder of the worktree."""

    path: str
    bits: int


@dataclass(frozen=True)
class Proposal:
    """What would fix the failure; empty but for suggestions when nothing is safe to do.

    ``stops``: no further attempt helps, so the phase ends. Else in this order: ``revert`` these
    changed files to the attempt's base, ``add_modes``, ``run`` these commands in the environment of
    the run, then check again, with ``recheck`` in place of the failed command where that was
    itself the fault. ``unlisted`` names distributions that
    ``run`` installs although no manifest of the project declares them: only with leave. ``listed``
    commands are run, and what they change is kept, where the plan's ``policy.execute_fix`` lists
    them; with ``reruns`` the same checks may pass though nothing was changed.
    """

    pattern_id: str
    revert: tuple[str, ...] = ()
    add_modes: tuple[AddMode, ...] = ()
    run: tuple[Check, ...] = ()
    recheck: Check | None = None
    unlisted: tuple[str, ...] = ()
    listed: tuple[Command, ...] = ()
    reruns: bool = False
    stops: bool = False
    suggestions: tuple[str, ...] = ()

    @property
    def acts(self) -> bool:
        """Whether there is anything to carry out."""
        changes = self.revert or self.add_modes or self.run or self.recheck or self.listed
        return bool(changes or self.reruns)


@runtime_checkable
class FailurePattern(Protocol):
    """A kind of failure. Lower ``priority`` goes first; ``pattern_id`` switches it off."""

    @property
    def pattern_id(self) -> str: ...

    @property
    def priority(self) -> int: ...

    @property
    def summary(self) -> str:
        """One line for ``autopack patterns list``."""
        ...

    def detect(self, evidence: Evidence) -> Match | None:
        """Recognise the failure, in time linear in ``evidence.text``; changes nothing."""
        ...

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        """Return what would fix the failure that ``detect`` matched; changes nothing."""
        ...
