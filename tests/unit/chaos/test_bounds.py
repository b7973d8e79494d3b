"""Chaos ends in bounded time also when what it disturbs does not."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, cast

import pytest

from autopack.model.errors import WorkFailed
from deployments.chaos import driver
from deployments.chaos.driver import Chaos
from deployments.chaos.processes import Part
from deployments.chaos.system import System, end_within


class StuckSystem:
    """A run of it neither ends nor is ever at work, so that there is nothing to kill."""

    run_ids = ("stuck-run",)
    database = disk = clock = None
    has_workers = False

    def __init__(self) -> None:
        self._deadline = time.monotonic() + 10

    def start(self) -> None:
        pass

    def unfinished(self) -> list[str]:
        return list(self.run_ids)

    def keep_going(self, unfinished: list[str]) -> None:
        assert time.monotonic() < self._deadline, f"nobody noticed that {unfinished} is stuck"

    def at_work(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("kills", [0, 5])
def test_a_stuck_run_ends_the_experiment_also_while_kills_are_left(
    kills: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_STUCK_SECONDS", 3.0)
    system = cast("System", StuckSystem())
    chaos = Chaos(system, engine="sqlite", kills=kills, seed=0, say=lambda _: None)
    with pytest.raises(WorkFailed, match="stuck-run"):
        chaos.run()


def part(folder: Path, *words: str) -> Part:
    return Part(*words, environ=os.environ, log=folder / "log")


def test_what_does_not_end_by_itself_is_ended_and_named(tmp_path: Path) -> None:
    parts = {"short": part(tmp_path, "this"), "long": part(tmp_path, "http.server", "0")}
    assert end_within(5, parts) == ["long"]
    assert parts["long"].has_ended()


def test_what_ends_in_time_is_not_waited_for_any_longer(tmp_path: Path) -> None:
    began = time.monotonic()
    assert end_within(60, {"short": part(tmp_path, "this")}) == []
    assert time.monotonic() - began < 30
