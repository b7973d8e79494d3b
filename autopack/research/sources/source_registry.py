"""Sources by their names in a plan: the built-in ones and those that installed packages bring.

=================== ==========================================================================
repository          the files of the base commit
history             the commits that lead to it
ledger              what earlier runs failed with here, and what made them pass
installed           the distributions of the run's environment; ``installed:NAME`` one of them
folder:PATH         the text files of a folder
command:ARGV        a search command, which prints JSON lines
mcp:SERVER          an MCP server of the file that is set; ``mcp:SERVER/TOOL`` one of its tools
url:https://…       a page
=================== ==========================================================================
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.model.errors import BadInput
from autopack.model.locations import expanded, is_folder
from autopack.research.sources.source_protocol import Source
from autopack.settings import PASS_ENV, process_environment

if TYPE_CHECKING:
    from autopack.store.database.engine import Database
    from autopack.workspace.git import Git

ENTRY_POINTS = "autopack.sources"
"""The entry-point group; each entry is called ``maker(argument, settings)`` and returns a Source.

``argument`` is what stands after the colon, None without one."""

DEFAULT = ("repository", "history", "ledger", "installed")
"""What is asked where nothing is named; those that have nothing to work on are left out."""


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """What sources work on; each takes what it needs of it.

    ``git`` is the repository, ``location`` its name in the ledger (None: every repository), and
    ``commit`` the full id of the commit that is asked about. ``environments`` are folders with
    installed distributions: a virtual environment, or its ``site-packages``. Relative ``folder:``
    paths start at ``base``, where commands run, too. ``mcp_file`` is what builders take with
    ``--set mcp=FILE``; variables in it may be those that AUTOPACK_PASS_ENV lists. A source may
    take ``seconds`` to answer.
    """

    git: Git | None = None
    location: str | None = None
    commit: str | None = None
    database: Database | None = None
    environments: tuple[Path, ...] = ()
    base: Path | None = None
    mcp_file: Path | None = None
    seconds: float = 30.0


Maker = Callable[[str | None, SourceSettings], Source]


def sources_for(specs: Sequence[str], settings: SourceSettings) -> tuple[Source, ...]:
    """Return the sources that ``specs`` name, each once; by default those of `DEFAULT`.

    Raises BadInput naming the entry of ``sources`` that cannot be used.
    """
    if not specs:
        possible = [name for name in DEFAULT if _has_what_it_needs(name, settings)]
        return tuple(_made(name, settings, "sources") for name in possible)
    check_sources(specs)
    return tuple(
        _made(spec, settings, f"sources[{number}]")
        for number, spec in enumerate(specs)
        if spec not in specs[:number]
    )


def check_sources(specs: Sequence[str]) -> None:
    """Raise BadInput naming the first entry of ``sources`` that is not written right."""
    for number, spec in enumerate(specs):
        _split(spec, f"sources[{number}]")


def _split(spec: str, field: str) -> tuple[str, str | None]:
    name, colon, argument = spec.strip().partition(":")
    if name not in {**_BUILTIN, **installed_sources()}:
        known = ", ".join([*DEFAULT, *(f"{each}:…" for each in _TAKE), *installed_sources()])
        raise BadInput(f"there is no source {spec!r}", field=field, hint=f"choose from {known}")
    if colon and not argument.strip():
        raise BadInput(f"{spec!r} names nothing after its colon", field=field, hint=_TAKE.get(name))
    if name in _TAKE and not colon:
        raise BadInput(f"the source {name!r} needs more", field=field, hint=_TAKE[name])
    if name in _ALONE and colon:
        raise BadInput(f"the source {name!r} takes no argument: {spec!r}", field=field)
    if name in _CHECKS and argument:
        _CHECKS[name](argument.strip(), field)
    return name, argument.strip() or None


def _made(spec: str, settings: SourceSettings, field: str) -> Source:
    name, argument = _split(spec, field)
    try:
        if name in _BUILTIN:
            return _BUILTIN[name](argument, settings)
        return _loaded(installed_sources()[name])(argument, settings)
    except BadInput as error:
        raise BadInput(error.message, field=field, hint=error.hint) from error


def _repository(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.research.sources.repository import RepositorySource

    git, commit = _commit(settings)
    return RepositorySource(git, commit)


def _history(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.research.sources.history import HistorySource

    git, commit = _commit(settings)
    return HistorySource(git, commit, seconds=settings.seconds)


def _ledger(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.research.sources.ledger_source import LedgerSource

    if settings.database is None:
        raise BadInput("there is no database here whose runs could be asked", field="sources")
    return LedgerSource(settings.database, settings.location)


def _distributions(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.research.sources.installed import InstalledSource

    if not settings.environments:
        raise BadInput("there is no environment here with installed packages", field="sources")
    return InstalledSource(settings.environments, argument)


def _folder(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.research.sources.folder import FolderSource

    path = expanded(argument or "", "sources")
    root = path if settings.base is None else settings.base / path
    if not is_folder(root):
        raise BadInput(f"there is no folder {root}", field="sources", hint="name one that exists")
    return FolderSource(f"folder:{argument}", root)


def _command(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.research.sources.search_command import CommandSource

    return CommandSource(
        f"command:{argument}",
        shlex.split(argument or ""),
        folder=settings.base,
        seconds=settings.seconds,
    )


def _mcp(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.agents.own.mcp_servers import mcp_servers
    from autopack.research.sources.mcp_source import McpSource

    name, _, tool = (argument or "").partition("/")
    if settings.mcp_file is None:
        raise BadInput(
            f"no file says how the MCP server {name!r} is started",
            field="sources",
            hint="give one such as .mcp.json",
        )
    try:
        found = mcp_servers(settings.mcp_file, _passed(), only=name)
    except BadInput as error:
        hint = f"list it in {PASS_ENV.name}" if error.field == "mcp_env" else error.hint
        raise BadInput(error.message, field="sources", hint=hint) from error
    if not found:
        raise BadInput(
            f"{settings.mcp_file} has no MCP server {name!r}",
            field="sources",
            hint="name one of that file",
        )
    return McpSource(f"mcp:{argument}", found[0], tool or None, seconds=settings.seconds)


def _passed() -> list[str]:
    """Return the variables that a server's entry may ask for: those that programs see at all."""
    from autopack.process.child_environment import passed_on_purpose

    environ = process_environment()
    patterns = passed_on_purpose(environ)
    return [name for name in environ if any(fnmatchcase(name, each) for each in patterns)]


def _page(argument: str | None, settings: SourceSettings) -> Source:
    from autopack.research.sources.web_page import WebSource

    return WebSource(f"url:{argument}", seconds=settings.seconds)


def _check_command(argument: str, field: str) -> None:
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise BadInput(f"the command cannot be read: {error}", field=field) from error
    if not words:
        raise BadInput("the command is empty", field=field)


def _check_page(argument: str, field: str) -> None:
    from autopack.research.sources.web_page import Refused, check_address

    try:
        check_address(argument)
    except Refused as error:
        raise BadInput(str(error), field=field, hint="use url:https://…") from error


def _check_name(argument: str, field: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", argument):
        raise BadInput(f"{argument!r} is not the name of a package", field=field)


_BUILTIN: Mapping[str, Maker] = {
    "repository": _repository,
    "history": _history,
    "ledger": _ledger,
    "installed": _distributions,
    "folder": _folder,
    "command": _command,
    "mcp": _mcp,
    "url": _page,
}
_ALONE = ("repository", "history", "ledger")
_TAKE: Mapping[str, str] = {
    "folder": "use folder:PATH",
    "command": "use command:PROGRAM ARGUMENTS",
    "mcp": "use mcp:SERVER or mcp:SERVER/TOOL",
    "url": "use url:https://…",
}
_CHECKS: Mapping[str, Callable[[str, str], None]] = {
    "installed": _check_name,
    "command": _check_command,
    "url": _check_page,
}


def _commit(settings: SourceSettings) -> tuple[Git, str]:
    if settings.git is None or settings.commit is None:
        raise BadInput("there is no repository here", field="sources", hint="name one with --repo")
    return settings.git, settings.commit


def _has_what_it_needs(name: str, settings: SourceSettings) -> bool:
    match name:
        case "ledger":
            return settings.database is not None
        case "installed":
            return bool(settings.environments)
        case _:
            return settings.git is not None and settings.commit is not None


@cache
def installed_sources() -> dict[str, EntryPoint]:
    """Return the sources that installed packages bring, by name; none is loaded."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _loaded(entry: EntryPoint) -> Maker:
    try:
        return entry.load()
    except Exception as error:
        raise BadInput(
            f"the source {entry.name!r} ({entry.value}) does not load: {error}",
            field=ENTRY_POINTS,
            hint="fix or uninstall the package that brings it",
        ) from error
