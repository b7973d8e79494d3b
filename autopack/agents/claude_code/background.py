"""Tasks that Claude Code has in the background: in print mode it ends, and kills them."""

from __future__ import annotations

from autopack.agents.usage_reading import Json, part, text

BACKGROUND_MARKERS = (b'"task_started"', b'"task_updated"', b'"task_notification"')

_RUNNING = "running"
_CUT_OFF = frozenset({"killed", "stopped"})
_OVER = frozenset({"completed", "failed"}) | _CUT_OFF


class BackgroundTasks:
    """Follows tasks by the events of the stream.

    One that the agent itself stops, before its result, is over. One that runs at its last result
    and is then killed, or never heard of again, is unfinished.
    """

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._at_result: set[str] = set()

    def read(self, event: Json) -> None:
        """Take in one event of the kind ``system``; others say nothing of tasks."""
        task = text(event, "task_id")
        if task is None:
            return
        kind = event.get("subtype")
        if kind == "task_started":
            self._states[task] = _RUNNING
            self._names[task] = text(event, "description") or task
            return
        said = part(event, "patch") if kind == "task_updated" else event
        status = text(said, "status")
        if task in self._states and status in _OVER and self._states[task] == _RUNNING:
            self._states[task] = status

    def conclude(self) -> None:
        """Take note that the agent gave its result now."""
        self._at_result = {one for one, state in self._states.items() if state == _RUNNING}

    def unfinished(self) -> str | None:
        """Return the descriptions of what was cut off; None when nothing was."""
        left = [
            self._names[one]
            for one in self._states
            if one in self._at_result and self._states[one] in _CUT_OFF | {_RUNNING}
        ]
        return ", ".join(left)[:300] or None
