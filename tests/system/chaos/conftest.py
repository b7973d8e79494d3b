"""A system to disturb, on each engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from deployments.chaos.driver import Chaos, chaos


@pytest.fixture
def system() -> Iterator[Callable[..., Chaos]]:
    """Makes a system with the given engine, runs and kills, and ends it after the test."""
    with ExitStack() as systems:
        yield lambda **wanted: systems.enter_context(
            chaos(at_once=3, seed=7, say=lambda _: None, **wanted)
        )
