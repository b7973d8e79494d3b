"""Markdown as the documentation is written: words behind a fence's language are for tests."""

from __future__ import annotations

import re

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

_WORDS = re.compile(r"^(`{3,}[a-z]+)[ ][^`]*$")
_TITLE = re.compile(r'title="[^"]*"')


class _KeepTitles(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return [_kept(line) for line in lines]


def _kept(line: str) -> str:
    found = _WORDS.match(line)
    if found is None:
        return line
    title = _TITLE.search(line)
    return f"{found[1]} {title[0]}" if title else found[1]


class FenceWords(Extension):
    """Leave of a fence's first line what the generator understands: language and title."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        # Before superfences, whose priority is 25, and behind the normalising of line ends, 30.
        md.preprocessors.register(_KeepTitles(md), "fence_words", 28)


def makeExtension(**options: object) -> FenceWords:  # noqa: N802
    return FenceWords(**options)
