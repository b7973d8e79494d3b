"""Locators: what a quotation is from, in words that mean the same on another machine.

========================== ======================================================================
git:COMMIT:PATH@BLOB       a file of a commit, with the id of its content
git:COMMIT                 the record of a commit itself: who, when, and its message
dist:NAME==VERSION:PATH    a file of an installed distribution, by its path in RECORD
file:PATH                  a file of a folder on the machine where it was read
command:ARGV#NUMBER        a result that a search command printed, counted from 1
mcp:SERVER/TOOL#NUMBER     a result of a tool of an MCP server
url:ADDRESS                a page
ledger:RUN/PHASE/ATTEMPT   what an attempt of an earlier run failed with, and what fixed it
========================== ======================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from autopack.model.errors import BadInput
from autopack.research.rank import Rank

_ID = r"(?:[0-9a-f]{40}|[0-9a-f]{64})"
_GIT_FILE = re.compile(rf"git:({_ID}):(.+)@({_ID})", re.DOTALL)
_GIT_COMMIT = re.compile(rf"git:({_ID})")
_DIST = re.compile(r"dist:([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([^:\s]+):(.+)", re.DOTALL)
_OTHER = re.compile(r"(file|command|mcp|url|ledger):(.+)", re.DOTALL)

# Fixed, and not what is installed: a quotation is to hold on every machine or on none.
_PROSE = re.compile(r"adoc|asciidoc|html?|markdown|mdx?|org|pdf|rst|rtf|tex|txt", re.IGNORECASE)
_PROSE_NAMES = re.compile(
    r"(readme|licen[cs]e|copying|notice|authors|contributors|install|todo|metadata|pkg-info"
    r"|description|changelog|changes|history|news|releases?)",
    re.IGNORECASE,
)
_CHANGELOG = re.compile(r"(change|history|news|release|whatsnew|whats_new)", re.IGNORECASE)


@dataclass(frozen=True)
class GitFile:
    """A file at a commit."""

    commit: str
    path: str
    blob: str

    def __str__(self) -> str:
        return f"git:{self.commit}:{self.path}@{self.blob}"


@dataclass(frozen=True)
class GitCommit:
    """A commit's own record."""

    commit: str

    def __str__(self) -> str:
        return f"git:{self.commit}"


@dataclass(frozen=True)
class DistFile:
    """A file of an installed distribution."""

    name: str
    version: str
    path: str

    def __str__(self) -> str:
        return f"dist:{self.name}=={self.version}:{self.path}"

    @property
    def is_of_another_version(self) -> bool:
        """Whether its path is in the metadata of another version, or of another distribution."""
        folder, _, _ = self.path.partition("/")
        own, found, _ = folder.partition(".dist-info")
        return bool(found) and _alike(own) != _alike(f"{self.name}-{self.version}")


@dataclass(frozen=True)
class Elsewhere:
    """What is read again from the bytes that were kept: ``kind`` is the word before the colon."""

    kind: str
    rest: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.rest}"


Locator = GitFile | GitCommit | DistFile | Elsewhere


def _alike(text: str) -> str:
    """Return how names and versions are compared, which installers write in several ways."""
    return re.sub(r"[-_.+!]+", "-", text).lower()


def parse_locator(text: str) -> Locator:
    """Return what ``text`` names. Raises BadInput for what is no locator."""
    if found := _GIT_FILE.fullmatch(text):
        return GitFile(*found.groups())
    if found := _GIT_COMMIT.fullmatch(text):
        return GitCommit(found[1])
    if found := _DIST.fullmatch(text):
        return DistFile(*found.groups())
    if found := _OTHER.fullmatch(text):
        return Elsewhere(found[1], found[2])
    raise BadInput(
        f"not a locator: {text[:200]!r}",
        field="locator",
        hint="use git:COMMIT:PATH@BLOB, dist:NAME==VERSION:PATH, file:PATH or url:ADDRESS",
    )


def rank_of(locator: Locator) -> Rank:
    """Return what kind of text a locator leads to, by its path alone."""
    match locator:
        case GitFile(path=path) | DistFile(path=path) | Elsewhere(kind="file", rest=path):
            return rank_of_path(path)
        case GitCommit():
            return Rank.CHANGELOG
        case Elsewhere():
            return Rank.PROSE


def rank_of_path(path: str) -> Rank:
    """Return what kind of text a file holds, by its name."""
    name = PurePosixPath(path.replace("\\", "/")).name
    stem, _, ending = name.rpartition(".")
    found = _PROSE.fullmatch(ending) if stem else _PROSE_NAMES.fullmatch(name)
    if found is None:
        return Rank.CODE
    return Rank.CHANGELOG if _CHANGELOG.match(name) else Rank.DOCS
