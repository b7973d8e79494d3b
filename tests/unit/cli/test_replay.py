"""What `autopack replay` ends with while runs of the campaign have not ended."""

from __future__ import annotations

import pytest

from autopack.runs.session import session
from autopack.runs.session.stop import StopReason
from deployments.cli.experiments.replay import exit_code

# the states of what has not ended, whether the command was interrupted, the exit code
ENDINGS = [
    (["AWAITING_APPROVAL", "AWAITING_APPROVAL"], False, 3),
    (["AWAITING_APPROVAL", "RUN_CREATED"], False, 1),
    (["RUN_CREATED"], False, 1),
    (["PHASE_EXECUTION"], False, 1),
    (["PHASE_EXECUTION"], True, 130),
    (["AWAITING_APPROVAL"], True, 130),
]


@pytest.mark.parametrize(("states", "interrupted", "code"), ENDINGS)
def test_the_exit_code_of_an_unfinished_campaign(
    states: list[str], interrupted: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_stopping", [(StopReason.INTERRUPTED, "")] if interrupted else [])
    runs = [{"run_id": str(n), "state": state, "error": None} for n, state in enumerate(states)]
    assert exit_code({"finished": False, "unfinished_runs": runs}) == code


def test_a_report_is_a_success() -> None:
    assert exit_code({"finished": True}) == 0
