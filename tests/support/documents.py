"""Documentation pages as tests see them: their fences, and the commands typed in those."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").rglob("README.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *EXAMPLES,
]

# What no two runs have in common: their ids, and their commits.
_OF_ONE_RUN = re.compile(r"\brun-\d{8}-\d{6}-[0-9a-f]{6}\b|\b[0-9a-f]{12}\b")
_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=ticks)$", re.M | re.S)


@dataclass(frozen=True)
class Typed:
    """A command line of a transcript, and what the page shows it to print."""

    line: str
    printed: tuple[str, ...]

    def lacking(self, output: str) -> list[str]:
        """Return the shown lines that ``output`` lacks; ``…`` in one stands for anything."""
        lines = iter(output.splitlines())
        return [shown for shown in self.printed if not any(_like(shown, each) for each in lines)]


@dataclass(frozen=True)
class Fence:
    """A fenced block: the words behind its ticks, and its text."""

    page: Path
    line: int
    info: tuple[str, ...]
    body: str

    @property
    def is_executed(self) -> bool:
        """Whether a test types what stands here: ```console execute."""
        return self.info[:1] == ("console",) and "execute" in self.info

    @property
    def file(self) -> str | None:
        """The name under which executed fences find this text: ```yaml title="plan.yaml"."""
        titles = [word.removeprefix("title=") for word in self.info if word.startswith("title=")]
        return titles[0] if titles else None

    @property
    def exit_code(self) -> int:
        """How the last command ends: 0, or what ``exit=N`` says."""
        codes = [int(word.removeprefix("exit=")) for word in self.info if word.startswith("exit=")]
        return codes[0] if codes else 0

    def typed(self) -> list[Typed]:
        """The commands of a transcript, each behind ``$``, a long one continued by a backslash."""
        commands: list[Typed] = []
        for line in self.body.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                commands.append(Typed(line[2:].split("  #")[0].strip(), ()))
            elif commands and line.strip():
                last = commands.pop()
                commands.append(Typed(last.line, (*last.printed, line)))
        return commands


def _like(shown: str, printed: str) -> bool:
    shown, printed = (_OF_ONE_RUN.sub("-", " ".join(line.split())) for line in (shown, printed))
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), printed) is not None


def fences(page: Path) -> Iterator[Fence]:
    """The fenced blocks of ``page``, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Fence(page, line, tuple(shlex.split(found["info"])), found["body"])


def command_lines(page: Path) -> Iterator[tuple[int, list[str]]]:
    """The words of each ``autopack …`` that the page shows in fences or between backticks."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"(?:^|`|\$ )(?:uv run )?(autopack [^`\n#│]*)", text, re.MULTILINE):
        line = found[1].split("  ")[0].strip().rstrip(".,;:")
        try:
            words = shlex.split(line.replace("[", " ").replace("]", " ").replace("'", ""))
        except ValueError:
            continue
        yield text.count("\n", 0, found.start()) + 1, words[1:]
