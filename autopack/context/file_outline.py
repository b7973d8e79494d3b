"""A file in short: what it defines and says of itself, without the bodies."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

_HEAD_LINES = 20
_LONGEST = 160


def outline(path: str, text: str) -> str:
    """Return the outline of a file: of Python signatures and docstrings, else its first lines."""
    if path.endswith((".py", ".pyi")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
            return "\n".join(_of_body(tree, ""))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # of a later Python, or none
    lines = [_short(line.rstrip()) for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:_HEAD_LINES] + (["…"] if len(lines) > _HEAD_LINES else []))


def _of_body(node: ast.Module | ast.ClassDef | _Function, indent: str) -> Iterator[str]:
    if words := ast.get_docstring(node):
        yield f'{indent}"""{_short(words.splitlines()[0])}"""'
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            bases = ", ".join(map(ast.unparse, child.bases))
            yield _short(f"{indent}class {child.name}" + (f"({bases}):" if bases else ":"))
            yield from _of_body(child, indent + "    ")
        elif isinstance(child, _FUNCTIONS):
            word = "async def" if isinstance(child, ast.AsyncFunctionDef) else "def"
            returns = f" -> {ast.unparse(child.returns)}" if child.returns else ""
            yield _short(f"{indent}{word} {child.name}({ast.unparse(child.args)}){returns}: ...")
            if words := ast.get_docstring(child):
                yield f'{indent}    """{_short(words.splitlines()[0])}"""'
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            yield _short(indent + ast.unparse(child).splitlines()[0])


_Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
