"""Reads YAML or JSON text into plain values, and knows the line of each.

A plain word stays the text it is and the plan's model decides what it means. So ``off`` is never
false, ``007`` and ``1.10`` keep their digits where a name is wanted, and ``1:30`` is no number.
Only an empty value, ``~`` and ``null`` become None. Of a text that is read ``typed``, a plain
number, true and false are what YAML takes them for; dates stay text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import Event
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

# A plan needs seven levels. The bound also keeps every walk far from the recursion limit.
MAX_DEPTH = 20
# Integers of more digits cannot even be printed.
LONGEST_NUMBER = 100
# What aliases may add to what is written: nine nested lists of nine aliases are 400 million values.
MAX_REPEATED = 10_000

if TYPE_CHECKING:
    Scanner = yaml.SafeLoader
else:
    Scanner = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_YAML = "tag:yaml.org,2002:"
_TAGS = frozenset(
    _YAML + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "value")
)

_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")

_PLAIN = SafeConstructor()
_TYPED: dict[str, Callable[[ScalarNode], object]] = {
    f"{_YAML}int": _PLAIN.construct_yaml_int,
    f"{_YAML}float": _PLAIN.construct_yaml_float,
    f"{_YAML}bool": _PLAIN.construct_yaml_bool,
}

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """Something wrong at ``line`` (from 1); ``loc`` is its place in the plan, () for all of it."""

    line: int
    message: str
    loc: Loc = ()
    hint: str | None = None


@dataclass(frozen=True)
class Document:
    """``data`` in plain values; None when the text is empty or ``readable`` is false."""

    data: object
    problems: tuple[Problem, ...] = ()
    readable: bool = True
    root: Node | None = None

    def line_of(self, loc: Loc) -> int:
        """Return the line where ``loc`` is written: of its key, or of an item of a list.

        What is not there has the line of the mapping that should hold it.
        """
        node, line = self.root, 1 if self.root is None else _line(self.root)
        for step in loc:
            if isinstance(node, MappingNode):
                pairs = cast("list[tuple[Node, Node]]", node.value)
                found = next(((key, value) for key, value in pairs if key.value == step), None)
                if found is None:
                    break
                line, node = _line(found[0]), found[1]
            elif isinstance(node, SequenceNode) and isinstance(step, int):
                node = cast("list[Node]", node.value)[step]
                line = _line(node)
            else:
                break
        return line


def read_document(text: str, *, typed: bool = False) -> Document:
    """Read ``text``; what is wrong with it is among the document's problems, never raised."""
    try:
        root = (_compose_fast if typed else _compose)(_as_yaml(text))
        values = _Values(typed=typed)
        data = values.of(root, ()) if root is not None else None
    except _Unreadable as error:
        return Document(None, problems=(error.problem,), readable=False)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = ": ".join(part for part in (error.context, error.problem) if part)
        problem = Problem(mark.line + 1 if mark else 1, f"is not valid YAML or JSON: {why}")
        return Document(None, problems=(problem,), readable=False)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = Problem(line, f"has the character U+{error.character:04X}, which YAML forbids")
        return Document(None, problems=(problem,), readable=False)
    return Document(data, problems=tuple(values.problems), root=root)


class _Unreadable(Exception):
    def __init__(self, node_line: int, message: str, loc: Loc = ()) -> None:
        super().__init__(message)
        self.problem = Problem(node_line, message, loc)


class _Bounded(Composer):
    """Composes nodes to a bounded depth; nothing is ever constructed from their tags."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            loader = cast("yaml.SafeLoader", self)
            event = cast("Event", loader.peek_event())  # pyright: ignore[reportUnknownMemberType]
            raise _Unreadable(event.start_mark.line + 1, f"nests deeper than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Loader(_Bounded, yaml.SafeLoader):
    """Reads in Python: what it says of a fault is the same on every machine."""

    def __init__(self, text: str) -> None:
        yaml.SafeLoader.__init__(self, text)


class _FastLoader(_Bounded, Scanner):
    """Scans with libyaml, about five times as fast; nested nodes are still counted here."""

    def __init__(self, text: str) -> None:
        Scanner.__init__(self, text)
        Composer.__init__(self)


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
        raise _Unreadable(loader.line + 1, "has an escape that is no character") from error
    finally:
        loader.dispose()  # pyright: ignore[reportUnknownMemberType]


def _compose_fast(text: str) -> Node | None:
    """Return the same as `_compose`, which reads again what libyaml refuses, for its words."""
    try:
        return _FastLoader(text).get_single_node()
    except (YAMLError, ValueError, _Unreadable):
        return _compose(text)


def _as_yaml(text: str) -> str:
    """``text`` with what JSON allows and YAML does not written otherwise, line by line the same.

    In valid JSON a bare tab is never, and anything beyond ASCII always, inside a string.
    """
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return text
    try:
        json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return text
    return _BEYOND_ASCII.sub(_escaped, text.lstrip("\ufeff").replace("\t", " "))


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f"


class _Values:
    """Turns nodes into plain values and collects what is wrong with single ones."""

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed
        self.problems: list[Problem] = []
        self._seen: set[int] = set()
        self._repeated = 0

    def of(self, node: Node, loc: Loc) -> object:
        self._bound(node, loc)
        if node.tag not in _TAGS:
            name = node.tag.replace(_YAML, "!!")
            self.problems.append(Problem(_line(node), f"has the tag {name}; leave it out", loc))
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            items = cast("list[Node]", node.value)
            return [self.of(item, (*loc, index)) for index, item in enumerate(items)]
        if node.tag == f"{_YAML}null":
            return None
        read = _TYPED.get(node.tag) if self._typed else None
        return (
            self._text(node, loc)
            if read is None
            else self._typed_value(cast("ScalarNode", node), loc, read)
        )

    def _typed_value(
        self, node: ScalarNode, loc: Loc, read: Callable[[ScalarNode], object]
    ) -> object:
        try:
            if len(cast("str", node.value)) <= LONGEST_NUMBER:
                return read(node)
        except (ValueError, LookupError, ArithmeticError):
            pass
        kind = "true or false" if node.tag == f"{_YAML}bool" else "a number that can be read"
        self.problems.append(Problem(_line(node), f"is not {kind}", loc))
        return None

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, object]:
        values: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in cast("list[tuple[Node, Node]]", node.value):
            line = _line(key_node)
            if not isinstance(key_node, ScalarNode):
                self.problems.append(Problem(line, "has a key that is not text", loc))
                continue
            key = self._text(key_node, loc)
            if key_node.tag == f"{_YAML}merge":
                self.problems.append(Problem(line, "has a merge key <<; write the keys out", loc))
            elif key in values:
                message = f"is given twice, first on line {lines[key]}"
                self.problems.append(Problem(line, message, (*loc, key)))
            else:
                lines[key] = line
                values[key] = self.of(value_node, (*loc, key))
        return values

    def _text(self, node: Node, loc: Loc) -> str:
        text = cast("str", node.value)
        try:
            # JSON writes one emoji as two escapes, which YAML keeps apart.
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.problems.append(Problem(_line(node), "has half a character in it", loc))
            return text.encode("utf-8", "replace").decode("utf-8")

    def _bound(self, node: Node, loc: Loc) -> None:
        if len(loc) > MAX_DEPTH:
            raise _Unreadable(_line(node), f"nests deeper than {MAX_DEPTH} levels", loc[:1])
        if id(node) in self._seen:
            self._repeated += 1
            if self._repeated > MAX_REPEATED:
                message = f"repeats more than {MAX_REPEATED:,} values through aliases"
                raise _Unreadable(_line(node), message, loc[:1])
        self._seen.add(id(node))


def _line(node: Node) -> int:
    return node.start_mark.line + 1
