"""What flow runs and their runs are called."""

from __future__ import annotations

from inspect import unwrap
from uuid import UUID

import pytest

import flows
from flows import run
from flows.naming import unique_part
from flows.starting import StartedFlow, started_flow


def test_flow_runs_of_one_minute_are_told_apart() -> None:
    # Version 7, as Prefect's: they begin with the time.
    first = UUID("01a202a7-c9f1-79f4-a8b6-a74d5b83ec8d")
    second = UUID("01a202a7-cb1d-7bed-a1ce-12ebf87da3b4")
    assert unique_part(first) != unique_part(second)
    assert unique_part(first) == unique_part(str(first))


def test_a_long_name_is_cut_before_the_server_is_asked_to_keep_it() -> None:
    async def anything() -> None: ...

    named = started_flow("x", flow_run_name=lambda: "y" * 9_000)(anything).flow_run_name
    assert callable(named)
    assert named() == "y" * 200
    found = [getattr(flows, name) for name in flows.__all__]
    made = [one.flow_run_name for one in found if isinstance(one, StartedFlow)]
    assert made
    assert all(unwrap(name) is not name for name in made if callable(name))


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        ("/srv/plans/spring.yaml", "spring.yaml"),
        ("goal: g\nphases: []\n", "plan"),
        ('{"goal": "a/b", "phases": []}', "plan"),
        (None, "run"),
    ],
)
def test_a_run_without_an_id_is_called_after_its_plan(
    monkeypatch: pytest.MonkeyPatch, plan: str | None, name: str
) -> None:
    monkeypatch.setattr(run.current_flow_run, "get_parameters", lambda: {"plan": plan})
    called = run.execute_run.flow_run_name
    assert callable(called)
    assert called() == name
