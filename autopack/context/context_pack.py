"""The files that a builder is shown before it starts: chosen for its task, within a budget."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from autopack.context.embedders import embedder_named
from autopack.context.file_index import FileIndex, indexed
from autopack.context.file_outline import outline
from autopack.context.file_ranking import Ranked, Task, ranked
from autopack.context.pack_tokens import TOKENIZER, count_tokens
from autopack.context.repository_files import read_texts
from autopack.model.errors import BadInput
from autopack.workspace.git import Git

BUDGET_CAP = 8_000
_HEAD = (
    "Files that seem to matter to your task, the nearest first, as they are in the commit you "
    "start from; others may matter too. An outline leaves bodies out: read the file before you "
    "change it."
)
_MOST_TRIED = 200
_MOST_MISSES = 5
"""When so many in a row find no room, smaller ones that come later are too far from the task."""
_FULL_SHARE = 0.25
_OUTLINE_SHARE = 0.05
_LEAST_OUTLINE = 80
_SHORT = 12


class BudgetMode(StrEnum):
    """How files are ranked."""

    LEXICAL = "lexical"
    SEMANTIC = "semantic"


class Form(StrEnum):
    """How a file is shown."""

    FULL = "full"
    OUTLINE = "outline"


@dataclass(frozen=True)
class PackedFile:
    """A file of a pack. ``saves`` is what its outline takes less than the whole file would."""

    path: str
    locator: str
    form: Form
    tokens: int
    saves: int


@dataclass(frozen=True)
class ContextPack:
    """What a builder is shown. Tokens are of ``tokenizer``; ``used`` never exceeds ``cap``."""

    text: str
    files: Sequence[PackedFile]
    mode: BudgetMode
    cap: int
    used: int
    total: int
    tokenizer: str = TOKENIZER

    @property
    def substitutions(self) -> int:
        """How many files are shown as an outline."""
        return sum(file.form is Form.OUTLINE for file in self.files)

    @property
    def omitted(self) -> int:
        """How many files that could have been shown are not."""
        return self.total - len(self.files)

    def saved(self, seen: Collection[str] = ()) -> int:
        """Return the tokens that outlines save, but for files that the agent has ``seen``."""
        return sum(file.saves for file in self.files if file.path not in seen)


@dataclass(frozen=True)
class PackLimits:
    """How much a pack may take, and how its files are ranked."""

    cap: int = BUDGET_CAP
    mode: BudgetMode = BudgetMode.LEXICAL

    def check(self) -> None:
        """Raise BadInput when the mode needs what is not installed."""
        if self.mode is BudgetMode.SEMANTIC:
            try:
                embedder_named("minilm")
            except BadInput as error:
                raise BadInput(
                    f"budget_mode semantic: {error}", field="budget_mode", hint=error.hint
                ) from error


def packed(
    git: Git,
    commit: str,
    task: Task,
    limits: PackLimits,
    *,
    home: Path | None,
    redact: Callable[[str], str] = str,
) -> ContextPack:
    """Return the pack of ``commit`` for ``task``. Without secrets that ``redact`` knows.

    The same commit, task and limits give the same pack. Raises BadInput for a mode that is not
    to be had.
    """
    limits.check()
    index = indexed(git, commit, home)
    embedder = embedder_named("minilm") if limits.mode is BudgetMode.SEMANTIC else None
    order = ranked(index, task, embedder)[:_MOST_TRIED]
    sections: list[str] = []
    files: list[PackedFile] = []
    used, misses = count_tokens(_HEAD), 0
    if used <= limits.cap:
        for file, section in _sections(git, commit, index, order, limits.cap, redact):
            if used + file.tokens <= limits.cap:
                sections.append(section)
                files.append(file)
                used += file.tokens
                misses = 0
            elif (misses := misses + 1) == _MOST_MISSES:
                break
    text = "\n\n".join([_HEAD, *sections]) if files else ""
    return ContextPack(text, files, limits.mode, limits.cap, count_tokens(text), len(index.files))


def _sections(
    git: Git,
    commit: str,
    index: FileIndex,
    order: Sequence[Ranked],
    cap: int,
    redact: Callable[[str], str],
) -> Iterator[tuple[PackedFile, str]]:
    """Yield each file as it would be shown; what is between sections counts with them."""
    chosen = [index.files[one.number] for one in order]
    for one, file, text in zip(order, chosen, read_texts(git, chosen), strict=True):
        if text is None:
            continue
        locator = f"git:{commit}:{file.path}@{file.blob}"
        told = f"git:{commit[:_SHORT]}:{file.path}@{file.blob[:_SHORT]}"
        whole = redact(f"`{told}`\n\n{_fenced(text)}")
        size = count_tokens(whole) + 2
        short = text
        if not (one.central and size <= cap * _FULL_SHARE):
            short = _within(
                outline(file.path, text), max(_LEAST_OUTLINE, int(cap * _OUTLINE_SHARE))
            )
        section = redact(f"`{told}` (outline)\n\n{_fenced(short)}")
        tokens = count_tokens(section) + 2
        if short == text or tokens >= size:
            yield PackedFile(file.path, locator, Form.FULL, size, 0), whole
        else:
            yield PackedFile(file.path, locator, Form.OUTLINE, tokens, size - tokens), section


def _within(text: str, most: int) -> str:
    """Return the first lines of ``text`` that ``most`` tokens hold."""
    kept: list[str] = []
    left = most
    for line in text.splitlines():
        left -= count_tokens(line) + 1
        if left < 0:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)


def _fenced(text: str) -> str:
    """Return ``text`` in a fence that nothing in it closes."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"
