"""Installed distributions as a source: metadata, documents and code, read and never imported."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath

from autopack.files import safe_files
from autopack.model.errors import BadInput
from autopack.research.locator import DistFile, parse_locator, rank_of_path
from autopack.research.sources.passages import Text, best_passages
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    SourceFacts,
    SourceFailure,
)

MOST_FILE_BYTES = 1024 * 1024
MOST_FILES = 2_000
"""So many files of one distribution are read at most."""
_MOST_DISTRIBUTIONS = 3
"""So many are read whole where none is named: those that the query names, or whose metadata fit."""
_MOST_FAILURES = 20
_TEXTS = re.compile(
    r"\.(?:py|pyi|md|rst|txt|toml|json|cfg|ini|ya?ml)$|(?:^|/)(?:METADATA|README|CHANGELOG|CHANGES"
    r"|HISTORY|NEWS|LICENSE|AUTHORS|entry_points\.txt)$"
)
# They tell of a distribution without being its code.
_ABOUT = re.compile(
    r"(?:^|/)(?:METADATA|AGENTS\.md|llms\.txt|(?:README|CHANGE\w*|HISTORY|NEWS|RELEASE\w*)[^/]*)$",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Distribution:
    """An installed distribution: where its files are, and what it calls itself."""

    name: str
    version: str
    root: Path
    info: str

    @property
    def key(self) -> str:
        """The name as package indexes compare it."""
        return normalised(self.name)


class InstalledSource:
    """The distributions of some environments, or the one called ``only``."""

    def __init__(self, environments: Sequence[Path], only: str | None = None) -> None:
        self.name = "installed" if only is None else f"installed:{only}"
        self._folders = [folder for each in environments for folder in site_folders(each)]
        self._only = only
        self._known: list[Distribution] | None = None
        self._about: list[Text] | None = None
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return the passages that fit best, of all metadata and of a few whole distributions."""
        known = self._distributions()
        if self._only is not None:
            known = [one for one in known if one.key == normalised(self._only)]
            if not known:
                raise SourceFailure(
                    self.name, FailureKind.NOT_FOUND, f"{self._only} is not installed"
                )
            return best_passages(self.name, query, self._texts(known, whole=True))
        named = self._named(query, known)
        if named:
            # What the question is about comes first; scores of two searches do not compare.
            return best_passages(self.name, query, self._texts(named, whole=True))
        if self._about is None:
            self._about = list(self._texts(known, whole=False))
        about = best_passages(self.name, query, self._about)
        origins = list(dict.fromkeys(each.facts.origin for each in about))[:_MOST_DISTRIBUTIONS]
        chosen = [one for one in known if _origin(one) in origins]
        whole = best_passages(self.name, query, self._texts(chosen, whole=True))
        best = {(each.locator, each.start): each for each in (*whole, *about)}
        return list(best.values())[: query.most]

    def read(self, locator: str) -> bytes:
        """Return a file of an installed distribution of the version that is named."""
        try:
            named = parse_locator(locator)
        except BadInput as error:
            raise SourceFailure(self.name, FailureKind.NOT_FOUND, error.message) from error
        if isinstance(named, DistFile):
            for one in self._distributions():
                if one.key == normalised(named.name) and one.version == named.version:
                    content = self._content(one, named.path)
                    if content is not None:
                        return content
        raise SourceFailure(self.name, FailureKind.NOT_FOUND, f"there is no {locator}")

    def version_of(self, name: str) -> str | None:
        """Return the version that is installed; None where it is not."""
        found = (one.version for one in self._distributions() if one.key == normalised(name))
        return next(found, None)

    def _named(self, query: Query, known: Sequence[Distribution]) -> list[Distribution]:
        asked = normalised(query.text)
        found = [
            one for one in known if re.search(rf"(?<![\w-]){re.escape(one.key)}(?![\w-])", asked)
        ]
        return found[:_MOST_DISTRIBUTIONS]

    def _texts(self, distributions: Sequence[Distribution], *, whole: bool) -> Iterator[Text]:
        for one in distributions:
            wanted = _TEXTS if whole else _ABOUT
            paths = [path for path in self._files(one) if wanted.search(path)]
            for path in paths[:MOST_FILES]:
                content = self._content(one, path)
                if content is not None and _is_text(content):
                    yield Text(
                        str(DistFile(one.name, one.version, path)),
                        path,
                        content,
                        SourceFacts(
                            is_primary=True,
                            rank=rank_of_path(path),
                            origin=_origin(one),
                            version=one.version,
                            installed_version=one.version,
                        ),
                    )

    def _distributions(self) -> list[Distribution]:
        if self._known is None:
            found: dict[str, Distribution] = {}
            for folder in self._folders:
                for name in safe_files.names(folder):
                    if name.endswith(".dist-info"):
                        one = self._read_info(folder, name)
                        if one is not None:
                            found.setdefault(one.key, one)
            self._known = sorted(found.values(), key=lambda one: one.key)
        return self._known

    def _read_info(self, folder: Path, info: str) -> Distribution | None:
        try:
            content = safe_files.read_bytes(folder / info / "METADATA", most=MOST_FILE_BYTES)
            headers = BytesHeaderParser().parsebytes(content)
            name, version = str(headers["Name"] or ""), str(headers["Version"] or "")
        except (OSError, ValueError, LookupError) as error:
            return self._broken(info, f"its METADATA cannot be read: {_why(error)}")
        if not _NAME.fullmatch(name) or not re.fullmatch(r"[A-Za-z0-9.+!_-]+", version):
            return self._broken(info, "its METADATA has no name or no version that can be used")
        if normalised(info.removesuffix(".dist-info").partition("-")[0]) != normalised(name):
            return self._broken(info, f"its METADATA calls it {name!r}")
        return Distribution(name, version, folder, info)

    def _files(self, one: Distribution) -> list[str]:
        """Return the paths that RECORD lists and that lie below the folder, the metadata first."""
        metadata = f"{one.info}/METADATA"
        try:
            record = safe_files.read_bytes(one.root / one.info / "RECORD", most=4 * MOST_FILE_BYTES)
            rows = list(csv.reader(io.StringIO(record.decode("utf-8"))))
        except (OSError, ValueError, csv.Error) as error:
            self._broken(one.info, f"its RECORD cannot be read: {_why(error)}")
            return [metadata]
        listed = {row[0] for row in rows if row and _is_below(row[0])}
        return [metadata, *sorted(listed - {metadata})]

    def _content(self, one: Distribution, path: str) -> bytes | None:
        if not _is_below(path):
            return None
        try:
            return safe_files.read_bytes(one.root / path, most=MOST_FILE_BYTES)
        except (OSError, ValueError):
            return None  # RECORD lists what was taken away since, and what is too large to read

    def _broken(self, info: str, why: str) -> None:
        message = f"{info} was skipped: {why}"
        if len(self.failures) < _MOST_FAILURES and message not in {
            each.message for each in self.failures
        }:
            self.failures.append(SourceFailure(self.name, FailureKind.UNREADABLE, message))


def site_folders(environment: Path) -> list[Path]:
    """Return where an environment has its distributions: itself, or its ``site-packages``."""
    root = environment.resolve()
    pythons = [name for name in safe_files.names(root / "lib") if name.startswith("python3")]
    inside = [*(root / "lib" / name for name in pythons), root / "Lib"]
    found = [each / "site-packages" for each in inside if (each / "site-packages").is_dir()]
    return found or ([root] if root.is_dir() else [])


def normalised(name: str) -> str:
    """Return the name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _origin(one: Distribution) -> str:
    return f"dist:{one.key}"


def _is_below(path: str) -> bool:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return (
        bool(parts)
        and ".." not in parts
        and not path.startswith(("/", "\\"))
        and ":" not in parts[0]
        and path.isprintable()
    )


def _is_text(content: bytes) -> bool:
    if b"\0" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not UTF-8" if isinstance(error, UnicodeError) else type(error).__name__
