"""Conversations that a retry continues: what of an agent's session is kept, and whether it can be.

An agent's home goes when its build has ended. The files of its session stay in the attempt's spool,
where no build may write and whose secrets are redacted, until the phase ends.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from pydantic import TypeAdapter

from autopack.agents.program_note import read_note
from autopack.agents.protocol import BuildRequest, Conversation
from autopack.agents.usage_reading import events, opened, text
from autopack.files import safe_files
from autopack.files.durable import write_whole

_FOLDER = "session"
_NOTE = "session.json"
_MOST_BYTES = 64 * 1024 * 1024
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,99}")


@dataclass(frozen=True)
class KeptSession:
    """A session whose ``files``, relative to the agent's home, are kept.

    ``model`` and ``worktree`` are those of its build: what it knows of both holds for no other.
    """

    session_id: str
    builder: str
    model: str | None
    worktree: str
    files: tuple[str, ...]

    def why_not(self, *, builder: str, model: str | None, worktree: Path) -> str | None:
        """Return why a build cannot continue it; None when it can."""
        if self.builder != builder:
            return f"the conversation is one of {self.builder}"
        if self.model != model:
            return f"the conversation is with the model {self.model or 'of its own choice'}"
        if self.worktree != str(worktree):
            return "the checkout is another one"
        return None


def session_named(source: Path, marker: bytes, key: str) -> str | None:
    """Return the session id that an agent's output gives first, in events with ``marker``."""
    output = opened(source)
    if output is None:
        return None
    for event in events(output, (marker,), lambda: None):
        name = text(event, key)
        if name is not None:
            return name if _IDENTITY.fullmatch(name) else None
    return None


class Resumable(Protocol):
    """What a program's adapter says of its conversations."""

    name: ClassVar[str]

    def knows(self, home: Path, session_id: str) -> bool: ...


def resuming(
    request: BuildRequest,
    home: Path,
    agent: Resumable,
    *,
    model: str | None,
    can_continue: bool,
) -> tuple[BuildRequest, str | None]:
    """Return the request with the conversation that it continues, whose files are put into
    ``home``; or else as it was, and why a retry begins a new one.
    """
    if request.earlier is None:
        return request, None
    if not can_continue:
        return request, f"Autopack cannot continue conversations of {agent.name}"
    spool = _beside(request.spool, request.earlier)
    kept = kept_session(spool)
    if kept is None:
        return request, f"no conversation of attempt {request.earlier} is kept"
    because = kept.why_not(builder=agent.name, model=model, worktree=request.worktree)
    if because is not None:
        return request, because
    try:
        _restore(spool, kept, home)
    except OSError as error:
        _take_back(kept, home)
        return request, f"the conversation of attempt {request.earlier}: {error.strerror}"
    if not agent.knows(home, kept.session_id):
        _take_back(kept, home)
        return request, f"what is kept of attempt {request.earlier} is no conversation"
    return replace(request, resumes=kept.session_id), None


def keep(
    spool: Path, home: Path, found: tuple[str, Iterable[Path]] | None, *, builder: str
) -> Conversation:
    """Keep a session, of which the id and the files were ``found``; return what was said in it.

    What cannot be kept a retry does not continue.
    """
    note = read_note(spool)
    if found is None:
        return Conversation(None, note.continues, note.fresh_because)
    session_id, files = found
    with contextlib.suppress(OSError):  # an agent may have put anything there
        names = _copy(spool, home, files)
        about = KeptSession(session_id, builder, note.model, note.worktree or "", names)
        write_whole(spool / _NOTE, json.dumps(asdict(about)))
    return Conversation(session_id, note.continues, note.fresh_because)


def _copy(spool: Path, home: Path, files: Iterable[Path]) -> tuple[str, ...]:
    """Copy the files of a session into its spool; return their names. Raises OSError, also when
    they are too large.
    """
    folder, copied, left = spool / _FOLDER, list[str](), _MOST_BYTES
    safe_files.remove(folder)
    for path in files:
        name = path.relative_to(home)
        content = safe_files.read_bytes(path, most=left)
        left -= len(content)
        safe_files.make_folder((folder / name).parent, below=spool)
        safe_files.write(folder / name, content)
        copied.append(str(name))
    return tuple(copied)


def kept_session(spool: Path) -> KeptSession | None:
    """Return the session that an attempt left; None unless all its files are there."""
    try:
        kept = TypeAdapter(KeptSession).validate_json(safe_files.read_bytes(spool / _NOTE))
    except (OSError, ValueError):
        return None
    there = all(safe_files.is_file(spool / _FOLDER / name) for name in kept.files)
    return kept if there and kept.files else None


def _restore(spool: Path, kept: KeptSession, home: Path) -> None:
    """Put a session that is kept in ``spool`` where its program looks for it. Raises OSError."""
    for name in kept.files:
        content = safe_files.read_bytes(spool / _FOLDER / name, most=_MOST_BYTES)
        safe_files.make_folder((home / name).parent, below=home)
        safe_files.write(home / name, content)


def _take_back(kept: KeptSession, home: Path) -> None:
    """Remove what was restored, or the calls that it tells of would count as the new build's."""
    for name in kept.files:
        safe_files.remove(home / name)


def told_before(
    spool: Path,
    continues: int | None,
    output: str,
    told_in: Callable[[Path], Path | bytes | None],
) -> Sequence[BinaryIO | bytes] | None:
    """Return what tells of the calls that were made in a conversation before it was continued.

    ``told_in`` reads a file of a session. None when that is gone.
    """
    if continues is None:
        return ()
    earlier = _beside(spool, continues)
    kept = kept_session(earlier)
    if kept is None:
        return None
    files = (told_in(earlier / _FOLDER / name) for name in kept.files)
    told = (*(one for one in files if one is not None), earlier / output)
    return [source for one in told if (source := opened(one)) is not None]


def has_left(spool: Path) -> bool:
    """Return whether an attempt left a session that nobody has removed."""
    return not {_NOTE, _FOLDER}.isdisjoint(safe_files.names(spool))


def forget(spool: Path) -> None:
    """Remove the session that an attempt left."""
    safe_files.remove(spool / _NOTE)
    safe_files.remove(spool / _FOLDER)


def _beside(spool: Path, attempt: int) -> Path:
    """Return the spool of another attempt at the same phase."""
    return spool.parent / str(attempt)
