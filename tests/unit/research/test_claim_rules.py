"""Which numbers a text says, in digits and in words: what another number is must not pass."""

from __future__ import annotations

import pytest

from autopack.research.claim_rules import numbers_in


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("it takes 1,000 ms", {"1000"}),
        ("1_000 and 3.10", {"1000", "3.10"}),
        ("one of them, and no more", set()),
        ("twenty-one files", {"21"}),
        ("thirty\n  two files", {"32"}),
        ("two and three", {"2", "3"}),
        ("nineteen eighty", {"19", "80"}),
        ("a hundred", {"100"}),
        ("two hundred and five", {"205"}),
        ("between one hundred and two hundred", {"100", "200"}),
        ("three thousand four hundred", {"3400"}),
        ("10 thousand", {"10000"}),
        ("1.5 million rows", {"1500000"}),
        ("1e6 or 2.5E-3", {"1e6", "2.5e-3"}),
        ("often, done, tent, seventh", set()),
    ],
)
def test_numbers(text: str, numbers: set[str]) -> None:
    assert numbers_in(text) == numbers
