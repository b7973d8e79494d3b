"""Runs, the Prefect server and the database die; every run ends once, and every token counts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from deployments.chaos.driver import Chaos

pytestmark = pytest.mark.slow


@pytest.fixture
def size(request: pytest.FixtureRequest) -> dict[str, int]:
    """Two hundred kills in all with --full."""
    full = request.config.getoption("--full")
    return {"runs": 40, "kills": 100} if full else {"runs": 2, "kills": 2}


def test_nothing_is_lost_and_nothing_is_done_twice(
    system: Callable[..., Chaos],
    size: dict[str, int],
    engine_name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = system(engine=engine_name, **size).run()
    with capsys.disabled():
        print(json.dumps(report.as_json()))
    assert report.found == []
    assert report.kills >= size["kills"]
