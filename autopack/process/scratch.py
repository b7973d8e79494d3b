"""A temporary folder for each program of a run, which goes when the program has ended."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.files.untrusted import remove_tree
from autopack.settings import process_environment

SCRATCH = "scratch"
"""The folder of an attempt's spool that its programs may write to; all else is Autopack's."""

VARIABLES = ("TMPDIR", "TMP", "TEMP")

# Test suites put Unix sockets there, whose paths have 107 bytes on Linux and 103 on macOS. They
# cope with the 49 that macOS's own temporary folders take.
_LONGEST = 50
_DRAWN = 8


@dataclass(frozen=True)
class Scratch:
    """Makes the folders, whose names begin with ``prefix``, and removes what a crash left of them.

    They lie in the system's temporary folder: below the home their paths would be too long for
    sockets, and programs would find what lies in the folders above (a repository, a package.json).
    """

    prefix: str = "autopack-program-"

    @classmethod
    def of(cls, folder: Path) -> Scratch:
        """For the programs of the run that has this folder."""
        digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()
        return cls(f"autopack-{digest[:8]}-")

    def make(self, env: Mapping[str, str]) -> Path | None:
        """Return a folder for a program that is started with ``env``.

        None where it would be too deep, and for a program that was given another one already.
        """
        if any(name in env and env[name] != process_environment().get(name) for name in VARIABLES):
            return None
        parent = os.path.realpath(tempfile.gettempdir())
        if len(os.fsencode(parent)) + 1 + len(self.prefix) + _DRAWN > _LONGEST:
            return None
        return Path(tempfile.mkdtemp(prefix=self.prefix, dir=parent))

    def sweep(self) -> None:
        """Remove every folder; none of the programs may be running any more."""
        for folder in Path(tempfile.gettempdir()).resolve().glob(f"{self.prefix}*"):
            self.remove(folder)

    @staticmethod
    def variables(folder: Path | None) -> dict[str, str]:
        """Return what tells a program of its folder; nothing where it has none."""
        return {} if folder is None else dict.fromkeys(VARIABLES, str(folder))

    @staticmethod
    def remove(folder: Path) -> None:
        """Delete the folder with everything in it, as far as that is ours."""
        # What another user owns stays, as it would have without a folder of its own.
        with contextlib.suppress(OSError):
            remove_tree(folder)
