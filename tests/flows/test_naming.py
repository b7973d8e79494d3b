"""What flow runs and their runs are called."""

from __future__ import annotations

from uuid import UUID

from flows.naming import unique_part


def test_flow_runs_of_one_minute_are_told_apart() -> None:
    # Version 7, as Prefect's: they begin with the time.
    first = UUID("01a202a7-c9f1-79f4-a8b6-a74d5b83ec8d")
    second = UUID("01a202a7-cb1d-7bed-a1ce-12ebf87da3b4")
    assert unique_part(first) != unique_part(second)
    assert unique_part(first) == unique_part(str(first))
