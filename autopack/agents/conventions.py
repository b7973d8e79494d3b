"""The repository's own words to agents, for those that do not read the file by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from autopack.agents.edits import OutsideWorktree, place_of
from autopack.files import safe_files

NAMES = ("AGENTS.md", "CLAUDE.md")
MOST_BYTES = 24_000


def conventions(worktree: Path, reads: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and text of the files that an agent has to be told.

    ``reads`` are the names that it reads by itself, of which it takes the first that is there.
    What such a file includes (``@AGENTS.md``) or repeats is told already.
    """
    there = dict(_there(worktree, dict.fromkeys((*NAMES, *reads))))
    own = next((name for name in reads if name in there), None)
    told = [] if own is None else [there.pop(own)]
    found: list[tuple[str, str]] = []
    for name in NAMES:
        if (text := there.get(name)) is None:
            continue
        is_included = any(f"@{name}" in one or f"@./{name}" in one for one in told)
        if not is_included and text.split() not in [one.split() for one in told]:
            found.append((name, _cut(text)))
            told.append(text)
    return found


def _there(worktree: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            text = safe_files.read_text(place_of(worktree, name)).removeprefix("\ufeff").strip()
        except (OSError, OutsideWorktree):
            continue
        if text:
            yield name, text


def _cut(text: str) -> str:
    raw = text.encode("utf-8")
    if len(raw) <= MOST_BYTES:
        return text
    return raw[:MOST_BYTES].decode("utf-8", "ignore") + "\n\n[cut here: read the rest in the file]"
