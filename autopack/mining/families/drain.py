"""A fixed-depth tree of log templates, after Drain (He et al., ICWS 2017).

Lines are told apart by their number of words and their first words; within such a leaf a line
joins the template that it shares most words with. Deterministic for an order of lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WILD = "<:*:>"
"""A place of a template where its lines differ; no line holds it."""

_DEPTH = 4
_SIMILARITY = 0.4
_MOST_CHILDREN = 100


@dataclass
class Template:
    """The words that the lines of one group share; ``number`` counts groups from 0."""

    number: int
    words: list[str]
    size: int = 1


@dataclass
class _Node:
    children: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    templates: list[Template] = field(default_factory=list[Template])


class Drain:
    """Puts lines, given as words, into groups; ``add`` tells which.

    ``similarity`` is the least share of equal words; ``depth`` is counted as Drain does: three
    more than the first words that a line is looked up by.
    """

    def __init__(
        self,
        *,
        depth: int = _DEPTH,
        similarity: float = _SIMILARITY,
        most_children: int = _MOST_CHILDREN,
    ) -> None:
        self._first_words = max(depth - 3, 0)
        self._similarity = similarity
        self._most_children = most_children
        self._by_length: dict[int, _Node] = {}
        self.templates: list[Template] = []

    def add(self, words: Sequence[str]) -> Template:
        """Return the template that a line belongs to, changed so that it fits the line."""
        found = self._find(words)
        if found is None:
            found = Template(len(self.templates), list(words))
            self.templates.append(found)
            self._leaf_for(words).templates.append(found)
            return found
        found.words = [a if a == b else WILD for a, b in zip(found.words, words, strict=True)]
        found.size += 1
        return found

    def _find(self, words: Sequence[str]) -> Template | None:
        """Return the most similar template of the line's leaf; of equal ones the most general."""
        node = self._by_length.get(len(words))
        for word in self._keys(words):
            if node is None:
                return None
            node = node.children.get(word) or node.children.get(WILD)
        best, most, general = None, -1.0, -1
        for template in node.templates if node else ():
            equal = sum(a == b for a, b in zip(template.words, words, strict=True))
            alike, wild = equal / len(words) if words else 1.0, template.words.count(WILD)
            if alike > most or (alike == most and wild > general):
                best, most, general = template, alike, wild
        return best if most >= self._similarity else None

    def _leaf_for(self, words: Sequence[str]) -> _Node:
        node = self._by_length.setdefault(len(words), _Node())
        for word in self._keys(words):
            node = self._child(node, word)
        return node

    def _keys(self, words: Sequence[str]) -> Sequence[str]:
        return words[: min(self._first_words, max(len(words) - 1, 0))]

    def _child(self, node: _Node, word: str) -> _Node:
        if word in node.children:
            return node.children[word]
        others = len(node.children) - (WILD in node.children)
        if any(letter.isdigit() for letter in word) or others >= self._most_children - 1:
            word = WILD
        return node.children.setdefault(word, _Node())
