"""Money that was spent is never shown as none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autopack.model.counted import dollars


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0.00"),
        (Decimal(0), "$0.00"),
        (0.0015, "$0.0015"),
        (Decimal("0.0099"), "$0.0099"),
        (0.01, "$0.01"),
        (0.05, "$0.05"),
        (Decimal("1234.5"), "$1,234.50"),
    ],
)
def test_dollars(amount: float | Decimal, shown: str) -> None:
    assert dollars(amount) == shown
