"""What the user's own git ignores: the lists outside the repository's content."""

from __future__ import annotations

import os
from pathlib import Path

from autopack.files.untrusted import read_small
from autopack.model.locations import expanded
from autopack.settings import process_environment
from autopack.workspace.git import Git
from autopack.workspace.source import SourceRepository

_LONGEST = 1_000_000


def of_user(source: SourceRepository, everywhere: Path | None) -> str:
    """Return the patterns of ``everywhere``, the user's own list, and of the repository's
    info/exclude.

    Later ones beat earlier ones, as in git. Bytes that are not UTF-8 are surrogates.
    """
    files = [everywhere]
    if source.common_dir is not None:
        files.append(source.common_dir / "info" / "exclude")
    texts = [read_small(file.resolve(), _LONGEST) or b"" for file in files if file is not None]
    lines = b"\n".join(texts).decode("utf-8", "surrogateescape").splitlines()
    kept = [line for line in lines if line.strip() and not line.startswith("#")]
    return "".join(f"{line}\n" for line in kept)


def everywhere(source: SourceRepository) -> Path | None:
    """Return the file of what the user ignores in all repositories; git is asked where it is."""
    # Outside any repository, so that no other's settings are read.
    git = Git(folder=Path("/"), as_user=True) if source.is_url else source.git
    named = git.call("config", "-z", "--type=path", "--get", "core.excludesFile")
    if named.status == 0:
        value = os.fsdecode(named.output).removesuffix("\0")
        base = Path("/") if source.is_url else Path(source.location)
        return base / value if value else None
    named = process_environment().get("XDG_CONFIG_HOME") or "~/.config"
    settings = expanded(named, "XDG_CONFIG_HOME")
    return settings / "git" / "ignore"
