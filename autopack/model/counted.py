"""Numbers as people read them."""

from __future__ import annotations

from decimal import Decimal


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 phase``, ``1,200 phases``; ``many`` is for words that do not take an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def dollars(amount: float | Decimal) -> str:
    """Return ``$1,234.50``; what is below a cent keeps four decimals, so that it is never $0.00."""
    return f"${amount:,.2f}" if not amount or amount >= Decimal("0.01") else f"${amount:,.4f}"
