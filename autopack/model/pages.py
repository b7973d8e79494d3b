"""How many rows a page of a listing has."""

from __future__ import annotations

from autopack.model.errors import BadInput

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000


def check_limit(limit: int) -> None:
    """Raise BadInput unless a page may hold so many."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(
            f"invalid limit: {limit}", field="limit", hint=f"use a number from 1 to {MAX_LIMIT}"
        )
