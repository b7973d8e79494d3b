"""Sources by their names in a plan: the built-in ones and those that installed packages bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.research.sources.source_protocol import Source

if TYPE_CHECKING:
    from autopack.store.database.engine import Database

ENTRY_POINTS = "autopack.sources"
"""The entry-point group; each entry is called ``maker(argument, settings) -> Source``."""

DEFAULT = ("repository", "history", "ledger", "installed")
"""What is asked where nothing is named."""


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """What sources work on; each takes what it needs of it.

    ``git_dir`` is the git folder of a repository and ``commit`` the full id of the commit that is
    asked about. ``environments`` are folders with installed distributions: a virtual environment,
    or its ``site-packages``. Relative ``folder:`` paths start at ``base``. ``work`` is a folder
    that sources may write to.
    """

    git_dir: Path | None = None
    commit: str | None = None
    database: Database | None = None
    environments: tuple[Path, ...] = ()
    base: Path | None = None
    mcp_file: Path | None = None
    mcp_env: tuple[str, ...] = ()
    work: Path | None = None
    seconds: float = 30.0


def sources_for(specs: Sequence[str], settings: SourceSettings) -> tuple[Source, ...]:
    """Return the sources that ``specs`` name, by default those of `DEFAULT`.

    Raises BadInput naming the entry of ``sources`` that cannot be used.
    """
    raise NotImplementedError


def check_sources(specs: Sequence[str]) -> None:
    """Raise BadInput naming the first entry of ``sources`` that is not written right."""
    raise NotImplementedError
