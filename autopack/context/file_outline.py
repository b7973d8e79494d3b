"""A file in short: what it defines and says of itself, without the bodies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from autopack.context.outline_languages import Language, language_of, parser_of
from autopack.context.pack_tokens import count_tokens
from autopack.context.search_terms import terms

if TYPE_CHECKING:  # only a pack is worth the import
    from tree_sitter import Node

_HEAD_LINES = 20
_MOST_LINES = 1_000
_MOST_PARSED = 256 * 1024
_DEEPEST = 6
_LONGEST = 160
_INDENT = "    "
_MORE = "…"
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})


def outline(path: str, text: str) -> list[str]:
    """Return the outline of a file as lines.

    Of a language with a grammar: signatures, and the first lines of docstrings or comments. Of
    other files their first lines.
    """
    language = language_of(path)
    if language is not None:
        source = text.encode()[:_MOST_PARSED]
        tree = parser_of(language).parse(source)
        found = list(_Outliner(language, source).lines(tree.root_node.named_children, 0))
        if found:
            return found[:_MOST_LINES]
    lines = [_short(line.rstrip()) for line in text.splitlines() if line.strip()]
    return lines[:_HEAD_LINES] + ([_MORE] if len(lines) > _HEAD_LINES else [])


def fitted(lines: Sequence[str], most: int, wanted: Collection[str]) -> str:
    """Return what ``most`` tokens hold of an outline, in its order: lines that have most of the
    ``wanted`` terms come before others, each after what it is part of.
    """
    costs = [count_tokens(line) + 1 for line in lines]
    if sum(costs) <= most:
        return "\n".join(lines)
    above = _above(lines)
    worth = [len({*terms(line)} & {*wanted}) for line in lines]
    kept: set[int] = set()
    left = most - 2
    for number in sorted(range(len(lines)), key=lambda one: (-worth[one], one)):
        needed = {number}
        while (outer := above[min(needed)]) is not None:
            needed.add(outer)
        cost = sum(costs[one] + 2 for one in needed - kept)  # each may bring a gap with it
        if cost <= left:
            kept |= needed
            left -= cost
    return "\n".join(_with_gaps(lines, sorted(kept)))


def _above(lines: Sequence[str]) -> list[int | None]:
    """Return for each line the nearest one before it that is indented less."""
    open_: list[tuple[int, int]] = []
    found: list[int | None] = []
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        while open_ and open_[-1][0] >= indent:
            open_.pop()
        found.append(open_[-1][1] if open_ else None)
        open_.append((indent, number))
    return found


def _with_gaps(lines: Sequence[str], kept: Sequence[int]) -> Iterator[str]:
    last = -1
    for number in kept:
        if number != last + 1:
            yield _MORE
        yield lines[number]
        last = number
    if last < len(lines) - 1 and lines[-1] != _MORE:
        yield _MORE


class _Outliner:
    """Yields the lines of the nodes of one file."""

    def __init__(self, language: Language, source: bytes) -> None:
        self._language, self._source = language, source

    def lines(self, nodes: Sequence[Node], depth: int) -> Iterator[str]:
        """Yield what ``nodes`` define, and the docstring that they begin with."""
        language = self._language
        indent = _INDENT * depth
        comment, ends = "", -2
        first = next((node for node in nodes if node.type not in _COMMENTS), None)
        for node in nodes:
            kind = node.type
            if kind in _COMMENTS:
                if node.start_point.row != ends + 1:
                    comment = _words_of(self._text(node))
                ends = _last_row(node)
            elif kind == "attribute_item":  # Rust's stand between a comment and what it is about
                ends = _last_row(node)
            elif node is first and (words := self._docstring(node)):
                yield f'{indent}"""{words}"""'
            elif kind in language.grouping:
                yield from self._inside(node, depth)
            else:
                found = list(self._definition(node, depth))
                if found and comment and node.start_point.row == ends + 1:
                    yield f"{indent}{comment}"
                yield from found
                comment = ""

    def _definition(self, outer: Node, depth: int) -> Iterator[str]:
        language, indent, node = self._language, _INDENT * depth, outer
        while (inner := self._inner(node)) is not None:
            node = inner
        kind = node.type
        if kind in language.signed or kind in language.holding:
            body = node.child_by_field_name("body")
            ends = [each.start_byte for each in node.named_children if each.type in _COMMENTS]
            end = min([*ends, node.end_byte if body is None else body.start_byte])
            yield indent + _one_line(self._source[outer.start_byte : end])
            if kind in language.holding:
                yield from self._inside(node, depth + 1)
            elif body is not None and (words := self._docstring(_first_child(body))):
                yield f'{indent}{_INDENT}"""{words}"""'
        elif kind in language.whole:
            yield indent + _one_line(self._source[outer.start_byte : node.end_byte])
        elif kind in language.first and (depth == 0 or kind != "call"):
            yield indent + _short(self._text(outer).partition("\n")[0].rstrip())

    def _inner(self, node: Node) -> Node | None:
        """Return the definition that stands in ``node``; None where it is none that wraps one."""
        if not (children := node.named_children):
            return None
        if node.type in self._language.wrapping:
            return children[-1]
        holds = node.type in self._language.first and children[0].type in self._language.holding
        return children[0] if holds else None

    def _inside(self, node: Node, depth: int) -> Iterator[str]:
        if depth > _DEEPEST:
            return
        nodes = node.named_children
        if body := node.child_by_field_name("body"):
            nodes = [*(each for each in nodes if each.type in _COMMENTS), *body.named_children]
        yield from self.lines(nodes, depth)

    def _docstring(self, node: Node | None) -> str:
        """Return the first line of a Python docstring, "" for any other node."""
        if self._language.package != "tree_sitter_python" or node is None:
            return ""
        inner = _first_child(node) if node.type == "expression_statement" else None
        if inner is None or inner.type != "string":
            return ""
        words = self._text(inner).lstrip("rRuU").strip("\"'").strip()
        return _short(words.partition("\n")[0].rstrip())

    def _text(self, node: Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _first_child(node: Node) -> Node | None:
    """Return the first named child; None of a node without one, where tree-sitter may raise."""
    return next(iter(node.named_children), None)


def _last_row(node: Node) -> int:
    # Some grammars have a line's end in the comment before it.
    return node.end_point.row - (node.end_point.column == 0)


def _words_of(comment: str) -> str:
    """Return the first line of a comment that says something; "" for one that says nothing."""
    for line in comment.splitlines():
        if any(letter.isalnum() for letter in line):
            return _short(line.strip())
    return ""


def _one_line(source: bytes) -> str:
    return _short(" ".join(source.decode("utf-8", "replace").split()))


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}{_MORE}"
