"""The settings of a user's own agent, copied into the home of a build: read, never changed.

Only what is named is taken: no logins, no sessions, no histories.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.files import safe_files
from autopack.model.errors import BadInput

_MOST_FILES = 2000
_MOST_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True)
class UserConfiguration:
    """``names`` are the files and folders below ``folder`` that a build gets."""

    folder: Path
    names: Sequence[str]

    @classmethod
    def of(
        cls, environ: Mapping[str, str], *, variable: str | None, default: str, names: Sequence[str]
    ) -> UserConfiguration:
        """Return the one in the folder that ``variable`` names, else in ``default`` at home."""
        own = environ.get(variable) if variable else None
        return cls(Path(own) if own else Path.home() / default, names)

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None where there is none."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def copy_into(self, folder: Path, *, below: Path) -> None:
        """Copy every file. Raises BadInput when it is more than settings."""
        for name, content in self._contents():
            safe_files.make_folder((folder / name).parent, below=below)
            safe_files.write(folder / name, content)

    def digest(self) -> str:
        """Return a SHA-256 over the names and contents of all files."""
        whole = hashlib.sha256()
        for name, content in self._contents():
            whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
        return whole.hexdigest()

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        count = size = 0
        for path in self._files():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise BadInput(
                    f"{path} cannot be read: {error.strerror}",
                    field="config",
                    hint="correct its permissions, or take config=isolated",
                ) from error
            count, size = count + 1, size + len(content)
            if count > _MOST_FILES or size > _MOST_BYTES:
                raise BadInput(
                    f"{self.folder} holds more than {_MOST_FILES} files or {_MOST_BYTES} bytes of"
                    " settings",
                    field="config",
                    hint="take config=isolated, or move what is no setting elsewhere",
                )
            yield path.relative_to(self.folder).as_posix(), content

    def _files(self) -> Iterator[Path]:
        for name in sorted(self.names):
            place = self.folder / name
            if place.is_file():
                yield place
            elif place.is_dir():
                # Links of files are followed: many keep their settings elsewhere.
                found = (Path(at) / one for at, _, files in os.walk(place) for one in files)
                yield from sorted(path for path in found if path.is_file())
