"""Builders made from options as text, the way the command line makes them."""

from __future__ import annotations

from typing import Any, TypeVar

AnyBuilder = TypeVar("AnyBuilder")


def made(agent: type[AnyBuilder], **options: Any) -> AnyBuilder:
    """Return the builder of a class; an option that is a secret comes as from a block."""
    kind: Any = agent
    secret = {row.name for row in kind.options_class.rows() if row.is_secret}
    plain = {name: text for name, text in options.items() if name not in secret}
    hidden = {name: text for name, text in options.items() if name in secret}
    return kind(kind.options_class.read(kind.name, plain, hidden))
