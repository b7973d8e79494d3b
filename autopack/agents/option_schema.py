"""What the JSON schema of an option says: its alternatives, and in words what they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def forms(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the alternatives of a value, but for its absence."""
    kinds = cast("list[Mapping[str, Any]]", schema.get("anyOf", [schema]))
    return [form for form in kinds if form.get("type") != "null"]


def is_guarded(schema: Mapping[str, Any]) -> bool:
    """Return whether the type itself looks for secrets, and repeats no value."""
    return any(form.get("guarded", False) for form in forms(schema))


def in_words(schema: Mapping[str, Any]) -> str:
    """Return in words what a value has to be; "" where its type does not tell."""
    return " or ".join(words for form in forms(schema) if (words := _one_in_words(form)))


def _one_in_words(form: Mapping[str, Any]) -> str:
    if "const" in form:
        return str(form["const"])
    if "enum" in form:
        return f"one of {', '.join(map(str, form['enum']))}"
    if form.get("type") == "boolean":
        return "true or false"
    kind = {"integer": "a whole number", "number": "a number"}.get(str(form.get("type")))
    if kind is None:
        return ""
    words = [kind, str(form.get("unit", ""))]
    for key, meaning in _BOUNDS.items():
        if key in form:
            words.append(f"{meaning} {form[key]:g}")
    return " ".join(filter(None, words))


_BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
}
