"""Tables of what classes declare: names, types, defaults, and the docstring below each field."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

from pydantic import BaseModel

Schema = dict[str, Any]

_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "null": "null",
}


def described(cls: type) -> dict[str, str]:
    """Return the docstring below each field of ``cls``, in one line."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = cast("ast.ClassDef", node).body
    found: dict[str, str] = {}
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[field.target.id] = " ".join(text.value.value.split())
    return found


def table(model: type[BaseModel]) -> str:
    """Return the keys of ``model`` as Markdown: key, value, default, meaning.

    Raises AssertionError for a field without a docstring: every key of a file is described.
    """
    meanings = described(model)
    schema = model.model_json_schema(by_alias=True)
    lines = ["| key | value | when unset | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        key = str(field.validation_alias or name)
        assert name in meanings, f"{model.__name__}.{name} has no docstring"
        shape = cast("Schema", schema["properties"][key])
        default = "required" if field.is_required() else _default(shape)
        lines.append(f"| `{key}` | {_kind(shape, schema)} | {default} | {meanings[name]} |")
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return ``text`` as a table's cell may hold it."""
    return " ".join(text.split()).replace("|", "\\|")


def _default(shape: Schema) -> str:
    default = shape.get("default")
    if isinstance(default, Mapping):
        return "as below"
    return "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"


def _kind(shape: Schema, schema: Schema) -> str:
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        target = schema["$defs"][name]
        return _choices(target) or f"a mapping, see [below](#{name.lower()})"
    if forms := shape.get("anyOf") or shape.get("oneOf"):
        kinds = [_kind(one, schema) for one in forms if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if choices := _choices(shape):
        return choices
    if shape.get("type") == "array":
        return _list(shape, schema)
    if shape.get("type") == "object":
        return "a mapping"
    return _KINDS[shape["type"]] + _bounds(shape)


def _list(shape: Schema, schema: Schema) -> str:
    items = shape.get("items", {})
    if items.get("type") == "array":
        return "a list of commands"
    if "$ref" in items and not _choices(schema["$defs"][items["$ref"].rpartition("/")[2]]):
        return f"a list of [mappings](#{items['$ref'].rpartition('/')[2].lower()})"
    if not items:
        return "two numbers"
    kind = _kind(items, schema)
    return f"a list of {'texts' if kind == 'text' else kind}"


def _choices(shape: Schema) -> str:
    return " \\| ".join(f"`{choice}`" for choice in shape.get("enum", ()))


def _bounds(shape: Schema) -> str:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    said = [f"{words[key]} {shape[key]:,}" for key in words if key in shape]
    return f", {', '.join(said)}" if said else ""
