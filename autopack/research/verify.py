"""Checking a report again, offline and on any machine: which of its citations still hold.

What git has is read from the repository that is given, what distributions have from the
environments that are given, and all else from the bytes that the report carries. Lines of the
repository must also stand as they were quoted where the repository is now: at HEAD, and in its
checkout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autopack.files import safe_files
from autopack.model.errors import BadInput, GitFailed
from autopack.research.evidence import Evidence, EvidenceKind
from autopack.research.folding import fold
from autopack.research.line_changes import changed_line
from autopack.research.locator import DistFile, GitCommit, GitFile, Locator, parse_locator, rank_of
from autopack.research.quoting import Span, lines_of
from autopack.research.rank import Rank
from autopack.research.rejection import Reason, Rejection
from autopack.research.report_file import Citation, ReportFile
from autopack.research.sources.git_objects import blob, blob_at, commit_record, has_commit
from autopack.research.sources.installed import InstalledSource
from autopack.research.sources.source_protocol import MOST_SOURCE_BYTES, SourceFailure
from autopack.research.validate import rejections_of_all
from autopack.workspace.git import Git

Json = dict[str, Any]


@dataclass(frozen=True)
class Places:
    """Where sources are looked for: a repository with its checkout, and installed packages."""

    git: Git | None = None
    checkout: Path | None = None
    environments: Sequence[Path] = ()


@dataclass
class Checked:
    """A piece of evidence after it was checked; ``number`` is from 1.

    ``against`` says what was read: ``repository``, ``environment``, ``kept``; None for nothing.
    """

    number: int
    evidence: Evidence
    against: str | None = None
    content: bytes | None = None
    reasons: list[Rejection] = field(default_factory=list[Rejection])

    @property
    def holds(self) -> bool:
        return not self.reasons

    @property
    def is_unread(self) -> bool:
        """Whether its source is not here, so that nothing can be said of it."""
        return any(one.reason is Reason.NOT_KEPT for one in self.reasons)

    @property
    def lines(self) -> tuple[int, int] | None:
        """The lines that are quoted, from 1; None where that is not known."""
        start, end = self.evidence.start, self.evidence.end
        if self.content is None or start is None or end is None:
            return None
        return lines_of(self.content, Span(start, end))

    def as_json(self) -> Json:
        """Return what is printed of it."""
        return {
            "number": self.number,
            "claim": self.evidence.claim,
            "kind": self.evidence.kind.value,
            "source_id": self.evidence.source_id,
            "locator": self.evidence.locator,
            "lines": None if self.lines is None else list(self.lines),
            "checked_against": self.against,
            "holds": None if self.evidence.kind is EvidenceKind.UNVERIFIED else self.holds,
            "reasons": [
                {"reason": one.reason.value, "sentence": one.sentence} for one in self.reasons
            ],
        }


def verify(report: ReportFile, places: Places) -> list[Checked]:
    """Return every piece of evidence of ``report``, each with why it does not hold."""
    looked = _Looking(report, places)
    checked = [looked.at(number, one) for number, one in enumerate(report.evidence, start=1)]
    contents = {id(one.evidence): one.content for one in checked}
    rejected = rejections_of_all(report.evidence, lambda one: contents[id(one)])
    for one, reasons in zip(checked, rejected, strict=True):
        # Why there is nothing to read was said better already.
        known = {each.reason for each in one.reasons}
        known |= {Reason.NO_SOURCE} if one.is_unread else set()
        one.reasons += [each for each in reasons if each.reason not in known]
        if not one.reasons and one.content is not None:
            one.reasons += looked.since(one.evidence, one.content)
    for citation in report.citations:
        _check_citation(citation, checked)
    return checked


class _Looking:
    """Finds the bytes of sources."""

    def __init__(self, report: ReportFile, places: Places) -> None:
        self._report = report
        self._places = places
        self._installed = InstalledSource(places.environments)

    def at(self, number: int, evidence: Evidence) -> Checked:
        checked = Checked(number, evidence)
        if evidence.kind is not EvidenceKind.QUOTED or evidence.locator is None:
            return checked
        try:
            locator = parse_locator(evidence.locator)
            match locator:
                case GitFile() | GitCommit() if self._places.git is not None:
                    self._in_repository(self._places.git, locator, checked)
                case DistFile() if self._places.environments:
                    self._in_environment(locator, checked)
                case _:
                    self._kept(locator, checked)
        except (BadInput, GitFailed) as error:
            checked.reasons.append(Rejection(Reason.NO_SOURCE, error.message))
        return checked

    def since(self, evidence: Evidence, content: bytes) -> Iterator[Rejection]:
        """Yield how cited lines of the repository changed since they were quoted."""
        locator = parse_locator(evidence.locator or "")
        git = self._places.git
        if git is None or not isinstance(locator, GitFile):
            return
        span = Span(evidence.start or 0, evidence.end or 0)
        for where, new in self._now(git, locator.path):
            if new is None:
                yield Rejection(Reason.CHANGED_SINCE, f"{locator.path} is gone {where}")
                continue
            query = fold(evidence.query or "").casefold()
            if evidence.absence and query in _text(new).casefold():
                yield Rejection(Reason.QUERY_FINDS, f"the query is found in {locator.path} {where}")
            changed = changed_line(content, span, new, is_code=rank_of(locator) is Rank.CODE)
            if changed is not None:
                yield Rejection(Reason.CHANGED_SINCE, f"{locator.path} {where}: {changed}")
                return

    def _now(self, git: Git, path: str) -> Iterator[tuple[str, bytes | None]]:
        name = blob_at(git, "HEAD", path)
        yield "at HEAD", None if name is None else blob(git, name)
        if self._places.checkout is not None:
            try:
                file = self._places.checkout / path
                yield "in the checkout", safe_files.read_bytes(file, most=MOST_SOURCE_BYTES)
            except OSError:
                yield "in the checkout", None

    def _in_repository(self, git: Git, locator: GitFile | GitCommit, checked: Checked) -> None:
        if isinstance(locator, GitCommit):
            checked.content, checked.against = commit_record(git, locator), "repository"
        elif has_commit(git, locator.commit):
            checked.against = "repository"
            if blob_at(git, locator.commit, locator.path) == locator.blob:
                checked.content = blob(git, locator.blob)
            else:
                checked.reasons.append(
                    Rejection(
                        Reason.NO_SOURCE,
                        f"commit {locator.commit[:12]} has another content at {locator.path}",
                    )
                )
        else:
            # A shallow clone, or a history that was rewritten: the same content is enough.
            checked.content, checked.against = blob(git, locator.blob), "repository"
        if checked.content is None and not checked.reasons:
            self._kept(locator, checked)

    def _in_environment(self, locator: DistFile, checked: Checked) -> None:
        checked.against = "environment"
        there = self._installed.version_of(locator.name)
        if there != locator.version:
            state = "is not installed" if there is None else f"is installed as {there}"
            checked.reasons.append(
                Rejection(Reason.NO_SOURCE, f"{locator.name} {state}, {locator.version} was quoted")
            )
            return
        try:
            checked.content = self._installed.read(str(locator))
        except SourceFailure as error:
            checked.reasons.append(Rejection(Reason.NO_SOURCE, error.message))

    def _kept(self, locator: Locator, checked: Checked) -> None:
        content = self._report.bytes_of(checked.evidence.source_sha256)
        if content is None:
            checked.reasons.append(Rejection(Reason.NOT_KEPT, _nowhere(locator)))
        elif isinstance(locator, GitFile) and not _is_object("blob", content, locator.blob):
            checked.reasons.append(
                Rejection(Reason.OTHER_SOURCE, "the bytes kept are not those of the file cited")
            )
        elif isinstance(locator, GitCommit) and not _is_object("commit", content, locator.commit):
            checked.reasons.append(
                Rejection(Reason.OTHER_SOURCE, "the bytes kept are not those of the commit cited")
            )
        else:
            checked.content, checked.against = content, "kept"


def _check_citation(citation: Citation, checked: Sequence[Checked]) -> None:
    """Note where a sentence of the report says otherwise than the evidence that it cites."""
    number = citation.number
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= len(checked):
        raise BadInput(
            f"{citation.where}.citation: there is no evidence number {number!r}",
            field=f"{citation.where}.citation",
        )
    one = checked[number - 1]
    said = (citation.text, citation.excerpt, citation.locator)
    if said != (one.evidence.claim, one.evidence.quote, one.evidence.locator):
        one.reasons.append(
            Rejection(Reason.CITED_OTHERWISE, f"{citation.where} says otherwise than its evidence")
        )


def _nowhere(locator: Locator) -> str:
    match locator:
        case GitFile() | GitCommit():
            return "its bytes are not kept with the report: give the repository with --repo"
        case DistFile():
            return "its bytes are not kept with the report: give an --environment that has it"
        case _:
            return "its bytes are kept neither in the report nor beside it"


def _is_object(kind: str, content: bytes, name: str) -> bool:
    """Return whether git calls a content so: by SHA-1, or by SHA-256 in newer repositories."""
    header = f"{kind} {len(content)}\0".encode()
    digest = hashlib.sha1 if len(name) == 40 else hashlib.sha256
    return digest(header + content).hexdigest() == name


def _text(content: bytes) -> str:
    return fold(content.decode("utf-8", "surrogateescape"))
