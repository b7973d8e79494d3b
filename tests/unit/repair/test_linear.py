"""Detection and classification take time in proportion to the log, and little of it."""

import runpy
from pathlib import Path

import pytest

from autopack.model.excerpt import HEAD, TAIL, excerpt

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench/detection.py"))


@pytest.mark.parametrize("seed", BENCH["SEEDS"].values(), ids=list(BENCH["SEEDS"]))
def test_a_log_four_times_as_long_does_not_take_sixteen_times_as_long(seed: str) -> None:
    quarter, whole = (BENCH["seconds"](BENCH["log"](seed, size)) for size in (250_000, 1_000_000))
    assert whole < 9 * quarter + 0.05


@pytest.mark.parametrize("seed", BENCH["SEEDS"].values(), ids=list(BENCH["SEEDS"]))
def test_what_is_read_is_itself_read_in_linear_time(seed: str) -> None:
    quarter, whole = (BENCH["seconds"](BENCH["log"](seed, size)) for size in (20_000, 80_000))
    assert whole < 9 * quarter + 0.05


def test_excerpt_keeps_both_ends_and_says_what_it_left_out() -> None:
    text = excerpt("first\n" + "x" * 79 + "\n" * 1 + ("middle\n" * 100_000) + "last")
    assert text.startswith("first\n")
    assert text.endswith("\nlast")
    assert "characters left out]" in text
    assert len(text) <= HEAD + TAIL + 60


def test_excerpt_never_begins_its_tail_within_a_line() -> None:
    line = "0123456789" * 9 + "\n"
    tail = excerpt(line * 2_000).split("left out]\n")[1]
    assert tail.startswith("0123456789")
    assert len(tail) % len(line) == 0


def test_excerpt_is_plain_text() -> None:
    assert excerpt("\x1b[1;31mred\x1b[0m\r\n50%\r100%") == "red\n50%\n100%"
