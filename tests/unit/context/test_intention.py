"""What agents are told of the intention, within its bounds."""

import pytest

from autopack.context import BUILDER_BYTES, DOCTOR_BYTES, MOST_BYTES, intention


def test_all_three_parts_are_told() -> None:
    found = intention("Fix ordinals", ["the suite passes"], ["no new dependencies"])
    assert found.text == (
        "Goal: Fix ordinals\nSuccess criteria:\n- the suite passes\n"
        "Not part of it:\n- no new dependencies"
    )
    assert found.omitted == 0


def test_goal_alone_needs_no_headings() -> None:
    assert intention("Fix\n  ordinals").text == "Goal: Fix ordinals"


@pytest.mark.parametrize("limit", [MOST_BYTES, BUILDER_BYTES, DOCTOR_BYTES, 200])
@pytest.mark.parametrize("letter", ["a", "ä", "漢", "🙂"])
def test_limit_counts_bytes_and_holds(limit: int, letter: str) -> None:
    found = intention(letter * 5000, [letter * 90] * 50, [letter * 30] * 50, limit=limit)
    assert len(found.text.encode()) <= limit
    assert "\N{REPLACEMENT CHARACTER}" not in found.text


def test_long_goal_leaves_room_for_the_others() -> None:
    found = intention("g" * 5000, ["the suite passes"], ["no new dependencies"], limit=1024)
    assert "the suite passes" in found.text
    assert "no new dependencies" in found.text


def test_goal_alone_may_take_all_the_room() -> None:
    assert len(intention("g" * 5000, limit=1000).text.encode()) == 1000


def test_entries_are_whole_and_the_missing_ones_counted() -> None:
    criteria = [f"criterion {number} holds" for number in range(100)]
    found = intention("Fix", criteria, limit=300)
    kept = [line for line in found.text.splitlines() if line.startswith("- criterion")]
    assert kept == [f"- {each}" for each in criteria[: len(kept)]]
    assert found.text.endswith(f"- and {100 - len(kept)} more")
    assert found.omitted == 100 - len(kept)
