"""Claude Code ends in print mode while its background tasks run, and kills them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autopack.agents.claude_code.usage import ClaudeCodeParser
from autopack.agents.usage_formats import parse_with

SESSION = {"session_id": "s"}
RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "result": "Done, it runs in the background.",
    "modelUsage": {"m": {"inputTokens": 5, "outputTokens": 2}},
}


def started(task: str = "b1", name: str = "run the suite") -> dict[str, Any]:
    return {"type": "system", "subtype": "task_started", "task_id": task, "description": name}


def updated(status: str, task: str = "b1") -> dict[str, Any]:
    patch = {"status": status, "end_time": 1}
    return {"type": "system", "subtype": "task_updated", "task_id": task, "patch": patch}


def notified(status: str, task: str = "b1") -> dict[str, Any]:
    return {"type": "system", "subtype": "task_notification", "task_id": task, "status": status}


@pytest.mark.parametrize(
    ("events", "unfinished"),
    [
        # As the program prints it: the result first, then what it kills.
        ([started(), RESULT, updated("killed"), notified("stopped")], "run the suite"),
        ([started(), RESULT, updated("killed")], "run the suite"),
        ([started(), RESULT, notified("stopped")], "run the suite"),
        # Or the program is gone before it says so.
        ([started(), RESULT], "run the suite"),
        ([started(), started("b2", "a server"), RESULT, updated("completed")], "a server"),
        # It waited for it, and told its agent, which then had its last word.
        ([started(), RESULT, updated("completed"), notified("completed"), RESULT], None),
        ([started(), RESULT, updated("completed")], None),
        ([started(), updated("completed"), notified("completed"), RESULT], None),
        # A task that failed by itself is over; so is one that the agent itself stopped.
        ([started(), RESULT, updated("failed")], None),
        ([started(), updated("killed"), notified("stopped"), RESULT], None),
        ([RESULT], None),
        ([RESULT, updated("killed", "of another")], None),
    ],
)
def test_a_build_whose_background_task_was_cut_off_has_failed(
    events: list[dict[str, Any]], unfinished: str | None
) -> None:
    lines = "".join(json.dumps(event | SESSION) + "\n" for event in events)
    usage = parse_with(ClaudeCodeParser, lines.encode(), provider="anthropic", model="m")
    assert usage.total.total == 7
    if unfinished is None:
        assert (usage.error, usage.said) == (None, "Done, it runs in the background.")
    else:
        assert usage.said is None
        assert usage.error == f"ended while a task in the background was unfinished: {unfinished}"
        assert usage.http_status is None


def test_an_error_of_the_agent_s_own_is_told_as_it_is() -> None:
    failed = RESULT | {"is_error": True, "result": "Not logged in"}
    lines = "".join(json.dumps(event) + "\n" for event in (started(), failed))
    usage = parse_with(ClaudeCodeParser, lines.encode(), provider="", model="m")
    assert usage.error == "Not logged in"
