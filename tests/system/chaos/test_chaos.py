"""What runs need dies, is cut off or fills up; every run ends once, and every token counts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from deployments.chaos.driver import Chaos

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "engine_name", ["postgresql", pytest.param("sqlite", marks=pytest.mark.full)]
)
def test_nothing_is_lost_and_nothing_is_done_twice(
    system: Callable[..., Chaos],
    engine_name: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if request.config.getoption("--full"):  # two hundred kills in all
        size = {"runs": 40, "kills": 100, "workers": 2}
    else:
        size = {"runs": 3, "kills": 2, "workers": 1}
    report = system(engine=engine_name, **size).run()
    with capsys.disabled():
        print(json.dumps(report.as_json()))
    assert report.found == []
    assert report.kills >= size["kills"]
    assert len(report.given_up) <= size["runs"] // 5
