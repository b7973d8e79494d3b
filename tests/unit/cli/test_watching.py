"""A display looks as often as it may, and never takes much of a core."""

from __future__ import annotations

import time

from autopack.model.errors import WorkFailed
from deployments.cli.shared.watching import Watch


class Counting(Watch):
    """Looks as often as it may."""

    seconds = 0.001

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def look(self) -> None:
        self.looks += 1


class Burning(Counting):
    """Takes 20 ms of processor for a look."""

    def look(self) -> None:
        super().look()
        began = time.thread_time()
        while time.thread_time() - began < 0.02:
            pass


def test_expensive_looks_are_few() -> None:
    began = time.monotonic()
    with Burning() as watch:
        time.sleep(1)
    assert 2 <= watch.looks <= 2 + (time.monotonic() - began) / 0.4


class Failing(Counting):
    """Finds no database."""

    def look(self) -> None:
        super().look()
        raise WorkFailed("away")


def test_a_look_that_fails_ends_nothing() -> None:
    with Failing() as watch:
        while watch.looks < 3:
            time.sleep(0.01)
    assert watch.looks > 3, "and there is a last one"
