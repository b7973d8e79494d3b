"""Pauses are latches of their own, and caps move while a run is worked on."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from autopack.model.errors import BadInput, NotFound, Refused
from autopack.store import Database, RunState, runs
from autopack.store.caps import Caps, set_caps
from autopack.store.pauses import (
    Latch,
    about,
    lift_pause,
    list_pauses,
    pauses_of_run,
    set_pause,
)

ABOUT_IT = [
    Latch("all"),
    Latch("run", "run-1"),
    Latch("builder", "codex"),
    Latch("builder", "codex/work"),
    Latch("provider", "openai"),
]
OTHERS = [
    Latch("builder", "script"),
    Latch("builder", "codex/other"),
    Latch("provider", "anthropic"),
]


def latches(db: Database) -> list[Latch]:
    return [one.latch for one in list_pauses(db)]


def test_a_run_builds_only_when_no_latch_is_about_it(database: Database, run: Any) -> None:
    for latch in (*ABOUT_IT, *OTHERS):
        assert set_pause(database, latch, by="ada", note="why")
        found = about(list_pauses(database), "run-1", "codex/work", "openai")
        assert [one.latch for one in found] == ([latch] if latch in ABOUT_IT else [])
        assert lift_pause(database, latch)
    assert latches(database) == []


def test_lifting_one_lifts_no_other(database: Database, run: Any) -> None:
    for first, second in itertools.permutations([*ABOUT_IT, *OTHERS], 2):
        set_pause(database, first, by="ada")
        set_pause(database, second, by="eve")
        assert lift_pause(database, first)
        assert latches(database) == [second]
        assert not lift_pause(database, first)
        assert lift_pause(database, second)


def test_a_pause_says_who_and_why_and_may_come_to_interrupt(database: Database, run: Any) -> None:
    latch = Latch("run", "run-1")
    assert set_pause(database, latch, by="ada", note="lunch")
    assert not set_pause(database, latch, by="eve")
    (pause,) = list_pauses(database)
    assert (pause.by, pause.note, pause.now) == ("ada", "lunch", False)
    assert set_pause(database, latch, by="eve", interrupt=True)
    assert not set_pause(database, latch, by="eve", interrupt=True)
    assert list_pauses(database)[0].now


UNKNOWN = [
    (Latch("run", "none"), NotFound, "run_id"),
    (Latch("builder", "cursor"), NotFound, "builder"),
    (Latch("provider", "Not A Name"), BadInput, "provider"),
    (Latch("provider", ""), BadInput, "provider"),
]


@pytest.mark.parametrize(("latch", "error", "field"), UNKNOWN)
def test_what_does_not_exist_is_not_paused(
    database: Database, latch: Latch, error: Any, field: str
) -> None:
    for act in (lambda: set_pause(database, latch, by="ada"), lambda: lift_pause(database, latch)):
        with pytest.raises(error) as refused:
            act()
        assert refused.value.field == field


def test_a_run_that_ended_is_neither_paused_nor_capped(held: Any) -> None:
    set_pause(held.db, Latch("all"), by="ada")
    held.write(runs.move_run, RunState.DONE_CANCELLED)
    assert pauses_of_run(list_pauses(held.db), runs.get_run(held.db, "run-1")) == []
    with pytest.raises(Refused):
        set_pause(held.db, Latch("run", "run-1"), by="ada")
    with pytest.raises(Refused):
        set_caps(held.db, "run-1", Caps(token_cap=1))


def test_caps_are_raised_and_lowered_one_by_one(database: Database, run: Any) -> None:
    assert set_caps(database, "run-1", Caps(token_cap=7, cost_cap=Decimal("0.5")))
    now = runs.get_run(database, "run-1")
    assert (now.token_cap, now.cost_cap, now.minutes_cap) == (7, Decimal("0.5"), 120)
    assert not set_caps(database, "run-1", Caps(token_cap=7))
    assert set_caps(database, "run-1", Caps(minutes_cap=0.5, token_cap=8))
    now = runs.get_run(database, "run-1")
    assert (now.token_cap, now.cost_cap, now.minutes_cap) == (8, Decimal("0.5"), 0.5)


@pytest.mark.parametrize(
    "caps",
    [Caps(), Caps(token_cap=0), Caps(minutes_cap=float("nan")), Caps(cost_cap=Decimal(-1))],
)
def test_caps_that_limit_nothing_are_refused(database: Database, run: Any, caps: Caps) -> None:
    with pytest.raises(BadInput):
        set_caps(database, "run-1", caps)
