"""Words for people that depend on a number."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 phase``, ``1,200 phases``; ``many`` is for words that do not take an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
