"""Numbers as people read them, and how many rows they read at once."""

from __future__ import annotations

from decimal import Decimal

from autopack.model.errors import BadInput

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
"""How many rows a page of a listing has: by default, and at most."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 phase``, ``1,200 phases``; ``many`` is for words that do not take an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def dollars(amount: float | Decimal) -> str:
    """Return ``$1,234.50``; what is below a cent keeps four decimals, so that it is never $0.00."""
    return f"${amount:,.2f}" if not amount or amount >= Decimal("0.01") else f"${amount:,.4f}"


def check_limit(limit: int) -> None:
    """Raise BadInput unless a page may hold so many."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(
            f"invalid limit: {limit}", field="limit", hint=f"use a number from 1 to {MAX_LIMIT}"
        )
