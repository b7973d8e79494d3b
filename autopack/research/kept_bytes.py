"""The bytes that were read, kept by their hash: in a folder of files, or inside a report."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from autopack.files import safe_files
from autopack.model.errors import BadInput
from autopack.research.evidence import sha256_of
from autopack.research.sources.source_protocol import MOST_SOURCE_BYTES, FailureKind, SourceFailure

MOST_BYTES = 64 * 1024 * 1024
"""How much one folder keeps."""
MOST_EMBEDDED = 8 * 1024 * 1024
"""How much a report carries, as it was before it was compressed."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class KeptBytes:
    """A folder (0700) with a file (0600) for each content, called by its SHA-256."""

    def __init__(self, folder: Path, *, most: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most = most

    def keep(self, content: bytes) -> str:
        """Keep a content, once; returns its SHA-256. Raises SourceFailure when it is too large."""
        name = sha256_of(content)
        path = self._folder / name
        if safe_files.is_file(path) and self.get(name) is not None:
            return name
        if len(content) > MOST_SOURCE_BYTES or self._held() + len(content) > self._most:
            raise SourceFailure(
                "kept", FailureKind.TOO_LARGE, f"no more than {self._most:,} bytes are kept"
            )
        safe_files.make_folder(self._folder, below=self._folder.parent)
        safe_files.write(path, content, durable=True)
        return name

    def get(self, name: str) -> bytes | None:
        """Return a content; None when it is not kept, or is not what it was."""
        if not _SHA256.fullmatch(name):
            return None
        try:
            content = safe_files.read_bytes(self._folder / name, most=MOST_SOURCE_BYTES)
        except OSError:
            return None
        return content if sha256_of(content) == name else None

    def _held(self) -> int:
        held = 0
        for name in safe_files.names(self._folder):
            with contextlib.suppress(OSError):
                held += safe_files.status(self._folder / name).st_size
        return held


class EmbeddedBytes:
    """What a report carries: contents by their SHA-256, compressed, as text."""

    def __init__(self, carried: Mapping[str, str]) -> None:
        self._carried = carried

    @classmethod
    def of(
        cls, kept: KeptBytes, names: Iterable[str], *, most: int = MOST_EMBEDDED
    ) -> EmbeddedBytes:
        """Carry those contents that are kept, as far as there is room, smaller ones first."""
        contents = {name: content for name in names if (content := kept.get(name)) is not None}
        carried: dict[str, str] = {}
        for name, content in sorted(contents.items(), key=lambda each: (len(each[1]), each[0])):
            most -= len(content)
            if most < 0:
                break
            carried[name] = base64.b64encode(zlib.compress(content, 9)).decode("ascii")
        return cls(dict(sorted(carried.items())))

    @classmethod
    def from_json(cls, value: object, *, field: str = "kept") -> EmbeddedBytes:
        """Read what a report carries. Raises BadInput naming the field."""
        carried = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {0: 0}
        found = {
            name: text
            for name, text in carried.items()
            if isinstance(name, str) and isinstance(text, str)
        }
        if len(found) != len(carried):
            raise BadInput(f"{field}: use an object of contents by their SHA-256", field=field)
        return cls(found)

    def as_json(self) -> dict[str, str]:
        """Return the contents as they stand in a report."""
        return dict(self._carried)

    def get(self, name: str) -> bytes | None:
        """Return a content; None when it is not carried, or is not what its name says."""
        text = self._carried.get(name)
        if text is None:
            return None
        try:
            packed = base64.b64decode(text, validate=True)
            # No more is unpacked than may ever have been kept.
            content = zlib.decompressobj().decompress(packed, MOST_SOURCE_BYTES)
        except (binascii.Error, ValueError, zlib.error):
            return None
        return content if sha256_of(content) == name else None
