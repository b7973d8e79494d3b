"""Which phase comes next."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autopack.model.states import PhaseState, RunState
from autopack.plan import Plan
from autopack.runs.next_phase import ending, next_phase
from autopack.store.rows import PhaseRow

QUEUED, EXECUTING = PhaseState.QUEUED, PhaseState.EXECUTING
COMPLETE, FAILED, SKIPPED = PhaseState.COMPLETE, PhaseState.FAILED, PhaseState.SKIPPED


def plan(*phases: dict[str, Any]) -> Plan:
    listed = [{"instructions": "i"} | phase for phase in phases]
    return Plan.from_json(json.dumps({"goal": "g", "phases": listed}))


# In the file the phases stand the other way round.
PLAN = plan({"id": "last", "depends_on": ["first"]}, {"id": "first"})


def rows(**states: PhaseState) -> list[PhaseRow]:
    return [
        PhaseRow(
            run_id="r",
            phase_id=phase_id,
            ordinal=ordinal,
            tier="T1",
            state=state,
            revision=0,
            commit=None,
            failure_cause=None,
            failure_message=None,
            started_at=None,
            finished_at=None,
        )
        for ordinal, (phase_id, state) in enumerate(states.items())
    ]


# states of the two phases, and which comes next
@pytest.mark.parametrize(
    ("first", "last", "following"),
    [
        (QUEUED, QUEUED, "first"),
        # a phase that was begun goes on, whatever else could start
        (EXECUTING, QUEUED, "first"),
        (COMPLETE, QUEUED, "last"),
        (COMPLETE, EXECUTING, "last"),
        (COMPLETE, COMPLETE, None),
        # at its end, though not complete
        (COMPLETE, FAILED, None),
        (COMPLETE, SKIPPED, None),
    ],
)
def test_the_next_phase(first: PhaseState, last: PhaseState, following: str | None) -> None:
    phase = next_phase(PLAN, rows(first=first, last=last))
    assert (phase and phase.id) == following


def test_tiers_run_one_after_the_other() -> None:
    tiered = plan(
        {"id": "a", "tier": "one"}, {"id": "b", "tier": "two"}, {"id": "c", "tier": "one"}
    )
    stored = rows(a=COMPLETE, b=QUEUED, c=QUEUED)
    phase = next_phase(tiered, stored)
    assert phase is not None
    assert phase.id == "c"


# states of the two phases, how the run ends
@pytest.mark.parametrize(
    ("last", "state", "reason"),
    [
        (COMPLETE, RunState.DONE_SUCCESS, None),
        (SKIPPED, RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, "skipped: last"),
    ],
)
def test_a_run_that_left_something_out_is_for_a_person_to_judge(
    last: PhaseState, state: RunState, reason: str | None
) -> None:
    assert ending(rows(first=COMPLETE, last=last)) == (state, reason)
